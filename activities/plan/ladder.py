"""The ladder of a cause: a rung that was tried is not tried again in this incident, and the next one follows."""

from collections.abc import Iterable, Mapping

from activities.model.candidate import Candidate
from activities.model.diagnosis import RootCause
from activities.model.guard_state import GuardState
from activities.model.incident import Rung
from activities.model.remediation_outcome import consequences_of


def used_rungs(guards: GuardState, root: RootCause) -> Mapping[int, Rung]:
    """Return the used rungs against this cause on this component, in any open incident."""
    return {
        rung.rung: rung
        for incident in guards.incidents
        if incident.closed_at is None
        for rung in incident.rungs
        if (rung.cause, rung.component) == (root.cause, root.component) and consequences_of(rung.outcome).uses_rung
    }


def reject_candidate(candidate: Candidate, rule: str, reason: str) -> Candidate:
    """Return the candidate rejected by `rule`; `reason` holds the numbers."""
    return candidate.model_copy(update={"rejected_by": rule, "reason": reason})


def reject_used_rungs(candidates: Iterable[Candidate], used: Mapping[int, Rung]) -> tuple[Candidate, ...]:
    """Return the candidates with those on a used rung rejected by rule `ladder`."""
    return tuple(
        reject_candidate(c, "ladder", f"rung {c.rung} was tried: {used[c.rung].outcome} by plan {used[c.rung].plan_id}")
        if c.rung in used
        else c
        for c in candidates
    )


def keep_next_rung(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates with only the lowest rung open that has a candidate not rejected.

    The rungs above it are rejected by rule `ladder`. A rung with rejected candidates only is passed over.
    """
    candidates = tuple(candidates)
    next_rung = min((c.rung for c in candidates if not c.rejected_by), default=None)
    return tuple(
        c
        if c.rejected_by or next_rung is None or c.rung == next_rung
        else reject_candidate(c, "ladder", f"rung {c.rung} waits until rung {next_rung} was tried")
        for c in candidates
    )
