"""How trust is earned and lost: levels from marks, oldest first. Nothing is stored but the marks."""

from collections.abc import Iterable

from activities.knowledge.posterior import Posterior
from activities.knowledge.settings import AutonomySettings
from activities.model.action import ActionType
from activities.model.autonomy import Autonomy, AutonomyRecord, EvidenceKind, Level, LevelOverride, TrustEvidence
from activities.model.diagnosis import Cause
from activities.model.outcome import EffectClass


def evidence_kind_for(effect_class: EffectClass, undo_failed: bool) -> EvidenceKind | None:
    """Return what an outcome says of the trust in its actions, None where nothing could be seen.

    Partly fixed is not fixed. What could not be undone is harm, however its verdict was.
    """
    if undo_failed or effect_class is EffectClass.DEGRADATION:
        return EvidenceKind.HARM
    if effect_class is EffectClass.UNKNOWN:
        return None
    return EvidenceKind.GOOD if effect_class is EffectClass.SUCCESS else EvidenceKind.BAD


def compute_autonomy(evidence: Iterable[TrustEvidence], start: Level, settings: AutonomySettings) -> Autonomy:
    """Return where everything stands after `evidence`, oldest first, when everything began at `start`."""
    standings: dict[tuple[Cause, ActionType], AutonomyRecord] = {}
    for one in evidence:
        key = (one.cause, one.action)
        known = standings.get(key) or AutonomyRecord(cause=one.cause, action=one.action, level=start)
        standings[key] = apply_evidence(known, one, settings)
    told = tuple(
        s.model_copy(update={"promotion_blocker": promotion_blocker(s, settings)}) for _, s in sorted(standings.items())
    )
    pins = tuple(LevelOverride(level=p.level, cause=p.cause, action=p.action) for p in settings.overrides)
    return Autonomy(start=start, records=told, overrides=pins)


def apply_evidence(record: AutonomyRecord, evidence: TrustEvidence, settings: AutonomySettings) -> AutonomyRecord:
    """Return the standing after one more mark: harm takes it one level down and forgets what was earned before.

    Up to suggest by matches less misses; from there to auto by enough outcomes with a lower bound above the wanted one.
    """
    mark = evidence.kind
    if mark is EvidenceKind.HARM:
        fallen = AutonomyRecord(cause=record.cause, action=record.action, level=record.level.demoted, since=evidence.at)
        return fallen.model_copy(update={"harmful": record.harmful + 1})
    outcomes, good = (
        record.outcomes + (mark in (EvidenceKind.GOOD, EvidenceKind.BAD)),
        record.successes + (mark is EvidenceKind.GOOD),
    )
    counted = record.model_copy(
        update={
            "matches": record.matches + (mark in (EvidenceKind.MATCH, EvidenceKind.GOOD)),
            "misses": record.misses + (mark is EvidenceKind.MISS),
            "outcomes": outcomes,
            "successes": good,
            "success_lower_bound": success_lower_bound(good, outcomes) if outcomes else 0.0,
        }
    )
    level = promoted_level(counted, settings)
    return counted if level is counted.level else counted.model_copy(update={"level": level, "since": evidence.at})


def promoted_level(record: AutonomyRecord, settings: AutonomySettings) -> Level:
    """Return the level its counts reach, never a lower one than it has."""
    level = record.level
    if level is Level.SHADOW and record.matches - record.misses >= settings.suggest_matches:
        level = Level.SUGGEST
    proven = record.outcomes >= settings.auto_outcomes and record.success_lower_bound > settings.auto_min_success
    return Level.AUTO if level is Level.SUGGEST and proven else level


def promotion_blocker(record: AutonomyRecord, settings: AutonomySettings) -> str:
    """Return what the next level needs, in words with numbers; empty at auto."""
    if record.level is Level.SHADOW:
        net = record.matches - record.misses
        return f"{settings.suggest_matches - net} more matches for suggest ({record.matches} − {record.misses})"
    if record.level is Level.AUTO:
        return ""
    lacks = []
    if record.outcomes < settings.auto_outcomes:
        lacks.append(f"{settings.auto_outcomes - record.outcomes} more outcomes")
    if record.success_lower_bound <= settings.auto_min_success:
        rate = f"{record.successes} of {record.outcomes} fixed"
        lacks.append(f"a lower bound above {settings.auto_min_success:.2f} ({rate}: {record.success_lower_bound:.3f})")
    return f"{' and '.join(lacks)} for auto"


def success_lower_bound(successes: int, outcomes: int) -> float:
    """Return the one-sided 95 % lower bound of a rate, from a flat Beta(1, 1) prior: 30 of 30 give 0.908.

    Raises:
        ValueError: more good ones than outcomes.
    """
    if not 0 <= successes <= outcomes:
        raise ValueError(f"no rate: {successes} of {outcomes}")
    return Posterior(1.0 + successes, 1.0 + outcomes - successes).lower_bound


def level_changes(previous: Autonomy, current: Autonomy) -> tuple[str, ...]:
    """Return a line for each pair whose earned level rose or fell."""
    lines = []
    for standing in current.records:
        known = previous.find_record(standing.cause, standing.action)
        old = known.level if known else previous.start
        if standing.level is not old:
            way = "rose" if standing.level.rank > old.rank else "fell"
            lines.append(f"{standing.action} against {standing.cause} {way} from {old} to {standing.level}")
    return tuple(lines)
