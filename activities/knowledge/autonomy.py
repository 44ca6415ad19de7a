"""Levels of autonomy, computed from the trust evidence, oldest first. Only the evidence is stored."""

from collections.abc import Iterable

from activities.knowledge.posterior import Posterior
from activities.knowledge.settings import AutonomySettings
from activities.model.action import ActionType
from activities.model.autonomy import Autonomy, AutonomyRecord, EvidenceKind, Level, LevelOverride, TrustEvidence
from activities.model.diagnosis import Cause
from activities.model.outcome import EffectClass


def evidence_kind_for(effect_class: EffectClass, undo_failed: bool) -> EvidenceKind | None:
    """Return the evidence of an outcome; None if its effect is unknown.

    A partial fix is BAD. A failed undo is HARM with any verdict.
    """
    if undo_failed or effect_class is EffectClass.DEGRADATION:
        return EvidenceKind.HARM
    if effect_class is EffectClass.UNKNOWN:
        return None
    return EvidenceKind.GOOD if effect_class is EffectClass.SUCCESS else EvidenceKind.BAD


def compute_autonomy(evidence: Iterable[TrustEvidence], start: Level, settings: AutonomySettings) -> Autonomy:
    """Return the record of each (cause, action) after `evidence`, oldest first; each begins at `start`."""
    records: dict[tuple[Cause, ActionType], AutonomyRecord] = {}
    for item in evidence:
        key = (item.cause, item.action)
        record = records.get(key) or AutonomyRecord(cause=item.cause, action=item.action, level=start)
        records[key] = apply_evidence(record, item, settings)
    return Autonomy(
        start=start,
        records=tuple(
            record.model_copy(update={"promotion_blocker": promotion_blocker(record, settings)})
            for _, record in sorted(records.items())
        ),
        overrides=tuple(LevelOverride(level=o.level, cause=o.cause, action=o.action) for o in settings.overrides),
    )


def apply_evidence(record: AutonomyRecord, evidence: TrustEvidence, settings: AutonomySettings) -> AutonomyRecord:
    """Return the record after one more item: harm demotes by one level and resets all counts but `harmful`."""
    kind = evidence.kind
    if kind is EvidenceKind.HARM:
        return AutonomyRecord(
            cause=record.cause,
            action=record.action,
            level=record.level.demoted,
            since=evidence.at,
            harmful=record.harmful + 1,
        )
    outcomes = record.outcomes + (kind in (EvidenceKind.GOOD, EvidenceKind.BAD))
    successes = record.successes + (kind is EvidenceKind.GOOD)
    updated = record.model_copy(
        update={
            "matches": record.matches + (kind in (EvidenceKind.MATCH, EvidenceKind.GOOD)),
            "misses": record.misses + (kind is EvidenceKind.MISS),
            "outcomes": outcomes,
            "successes": successes,
            "success_lower_bound": success_lower_bound(successes, outcomes) if outcomes else 0.0,
        }
    )
    level = promoted_level(updated, settings)
    return updated if level is updated.level else updated.model_copy(update={"level": level, "since": evidence.at})


def promoted_level(record: AutonomyRecord, settings: AutonomySettings) -> Level:
    """Return the level the counts reach, not below the present one.

    To suggest by matches minus misses; to auto by the number of outcomes and the lower bound of their success.
    """
    level = record.level
    if level is Level.SHADOW and record.matches - record.misses >= settings.suggest_matches:
        level = Level.SUGGEST
    is_proven = record.outcomes >= settings.auto_outcomes and record.success_lower_bound > settings.auto_min_success
    return Level.AUTO if level is Level.SUGGEST and is_proven else level


def promotion_blocker(record: AutonomyRecord, settings: AutonomySettings) -> str:
    """Return what the next level still needs, with numbers; empty at auto."""
    if record.level is Level.SHADOW:
        net = record.matches - record.misses
        return f"{settings.suggest_matches - net} more matches for suggest ({record.matches} − {record.misses})"
    if record.level is Level.AUTO:
        return ""
    requirements = []
    if record.outcomes < settings.auto_outcomes:
        requirements.append(f"{settings.auto_outcomes - record.outcomes} more outcomes")
    if record.success_lower_bound <= settings.auto_min_success:
        rate = f"{record.successes} of {record.outcomes} fixed"
        requirements.append(
            f"a lower bound above {settings.auto_min_success:.2f} ({rate}: {record.success_lower_bound:.3f})"
        )
    return f"{' and '.join(requirements)} for auto"


def success_lower_bound(successes: int, outcomes: int) -> float:
    """Return the one-sided 95 % lower bound of a rate, from a flat Beta(1, 1) prior: 30 of 30 give 0.908.

    Raises:
        ValueError: There are more successes than outcomes.
    """
    if not 0 <= successes <= outcomes:
        raise ValueError(f"{successes} successes of {outcomes} outcomes is not a rate: it must be within 0 to 1")
    return Posterior(1.0 + successes, 1.0 + outcomes - successes).lower_bound


def level_changes(previous: Autonomy, current: Autonomy) -> tuple[str, ...]:
    """Return a line for each (cause, action) whose earned level rose or fell."""
    lines = []
    for record in current.records:
        previous_record = previous.find_record(record.cause, record.action)
        old = previous_record.level if previous_record else previous.start
        if record.level is not old:
            verb = "rose" if record.level.rank > old.rank else "fell"
            lines.append(f"{record.action} against {record.cause} {verb} from {old} to {record.level}")
    return tuple(lines)
