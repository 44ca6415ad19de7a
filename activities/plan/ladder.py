"""The escalation ladder: which rung comes next against a cause."""

from collections.abc import Iterable, Mapping

from activities.model.candidate import Candidate
from activities.model.diagnosis import RootCause
from activities.model.guard_state import GuardState
from activities.model.incident import Rung
from activities.model.remediation_outcome import consequences_of


def used_rungs(guards: GuardState, root: RootCause) -> Mapping[int, Rung]:
    """Return the rungs that are used up against this cause on this component, in any open incident."""
    return {
        rung.rung: rung
        for incident in guards.incidents
        if incident.closed_at is None
        for rung in incident.rungs
        if (rung.cause, rung.component) == (root.cause, root.component) and consequences_of(rung.outcome).uses_rung
    }


def reject_candidate(candidate: Candidate, rule: str, reason: str) -> Candidate:
    """Return the candidate as stopped by `rule`; `reason` holds the numbers."""
    return candidate.model_copy(update={"rejected_by": rule, "reason": reason})


def reject_used_rungs(candidates: Iterable[Candidate], used: Mapping[int, Rung]) -> tuple[Candidate, ...]:
    """Return the candidates with those on a used-up rung rejected by rule `ladder`."""
    return tuple(
        reject_candidate(c, "ladder", f"rung {c.rung} was tried: {used[c.rung].outcome} by plan {used[c.rung].plan_id}")
        if c.rung in used
        else c
        for c in candidates
    )


def keep_next_rung(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates with only the lowest rung open that has one nobody has rejected yet.

    The rungs above it wait, by rule `ladder`. A rung with nothing but rejected candidates is passed over.
    """
    listed = tuple(candidates)
    following = min((c.rung for c in listed if not c.rejected_by), default=None)
    return tuple(
        c
        if c.rejected_by or following is None or c.rung == following
        else reject_candidate(c, "ladder", f"rung {c.rung} waits until rung {following} was tried")
        for c in listed
    )
