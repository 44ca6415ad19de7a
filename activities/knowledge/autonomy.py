"""How trust is earned and lost: levels from marks, oldest first. Nothing is stored but the marks."""

from collections.abc import Iterable

from activities.knowledge.posterior import Posterior
from activities.knowledge.settings import AutonomySettings
from activities.model.action import ActionType
from activities.model.autonomy import Autonomy, Evidence, Level, Mark, Pin, Standing
from activities.model.diagnosis import Cause
from activities.model.outcome import OutcomeType


def mark_of(kind: OutcomeType, undo_failed: bool) -> Mark | None:
    """Return what an outcome says of the trust in its actions, None where nothing could be seen.

    Partly fixed is not fixed. What could not be undone is harm, however its verdict was.
    """
    if undo_failed or kind is OutcomeType.DEGRADATION:
        return Mark.HARM
    if kind is OutcomeType.UNKNOWN:
        return None
    return Mark.GOOD if kind is OutcomeType.SUCCESS else Mark.BAD


def earned(evidence: Iterable[Evidence], start: Level, settings: AutonomySettings) -> Autonomy:
    """Return where everything stands after `evidence`, oldest first, when everything began at `start`."""
    standings: dict[tuple[Cause, ActionType], Standing] = {}
    for one in evidence:
        key = (one.cause, one.action)
        known = standings.get(key) or Standing(cause=one.cause, action=one.action, level=start)
        standings[key] = after(known, one, settings)
    told = tuple(s.model_copy(update={"missing": missing(s, settings)}) for _, s in sorted(standings.items()))
    pins = tuple(Pin(level=p.level, cause=p.cause, action=p.action) for p in settings.pinned)
    return Autonomy(start=start, standings=told, pins=pins)


def after(standing: Standing, evidence: Evidence, settings: AutonomySettings) -> Standing:
    """Return the standing after one more mark: harm takes it one level down and forgets what was earned before.

    Up to suggest by matches less misses; from there to auto by enough outcomes with a lower bound above the wanted one.
    """
    mark = evidence.mark
    if mark is Mark.HARM:
        fallen = Standing(cause=standing.cause, action=standing.action, level=standing.level.below, since=evidence.at)
        return fallen.model_copy(update={"harms": standing.harms + 1})
    outcomes, good = standing.outcomes + (mark in (Mark.GOOD, Mark.BAD)), standing.good + (mark is Mark.GOOD)
    counted = standing.model_copy(
        update={
            "matches": standing.matches + (mark in (Mark.MATCH, Mark.GOOD)),
            "misses": standing.misses + (mark is Mark.MISS),
            "outcomes": outcomes,
            "good": good,
            "bound": lower_bound(good, outcomes) if outcomes else 0.0,
        }
    )
    level = promoted(counted, settings)
    return counted if level is counted.level else counted.model_copy(update={"level": level, "since": evidence.at})


def promoted(standing: Standing, settings: AutonomySettings) -> Level:
    """Return the level its counts reach, never a lower one than it has."""
    level = standing.level
    if level is Level.SHADOW and standing.matches - standing.misses >= settings.suggest_matches:
        level = Level.SUGGEST
    proven = standing.outcomes >= settings.auto_outcomes and standing.bound > settings.auto_bound
    return Level.AUTO if level is Level.SUGGEST and proven else level


def missing(standing: Standing, settings: AutonomySettings) -> str:
    """Return what the next level needs, in words with numbers; empty at auto."""
    if standing.level is Level.SHADOW:
        net = standing.matches - standing.misses
        return f"{settings.suggest_matches - net} more matches for suggest ({standing.matches} − {standing.misses})"
    if standing.level is Level.AUTO:
        return ""
    lacks = []
    if standing.outcomes < settings.auto_outcomes:
        lacks.append(f"{settings.auto_outcomes - standing.outcomes} more outcomes")
    if standing.bound <= settings.auto_bound:
        rate = f"{standing.good} of {standing.outcomes} fixed"
        lacks.append(f"a lower bound above {settings.auto_bound:.2f} ({rate}: {standing.bound:.3f})")
    return f"{' and '.join(lacks)} for auto"


def lower_bound(good: int, outcomes: int) -> float:
    """Return the one-sided 95 % lower bound of a rate, from a flat Beta(1, 1) prior: 30 of 30 give 0.908.

    Raises:
        ValueError: more good ones than outcomes.
    """
    if not 0 <= good <= outcomes:
        raise ValueError(f"no rate: {good} of {outcomes}")
    return Posterior(1.0 + good, 1.0 + outcomes - good).lower


def changes(before: Autonomy, now: Autonomy) -> tuple[str, ...]:
    """Return a line for each pair whose earned level rose or fell."""
    lines = []
    for standing in now.standings:
        known = before.standing(standing.cause, standing.action)
        old = known.level if known else before.start
        if standing.level is not old:
            way = "rose" if standing.level.rank > old.rank else "fell"
            lines.append(f"{standing.action} against {standing.cause} {way} from {old} to {standing.level}")
    return tuple(lines)
