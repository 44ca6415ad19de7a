"""Rechecks of successes: whether a fix lasts, and how a relapse changes its outcome.

A verification ends minutes after the change. If the violations return later, the outcome is relabelled as ineffective,
so that the next decision learns from it.
"""

from activities.knowledge.settings import KnowledgeSettings
from activities.model.outcome import EffectClass, Outcome
from activities.model.remediation_outcome import consequences_of


def next_recheck_at(outcome: Outcome, settings: KnowledgeSettings) -> float | None:
    """Return when the outcome is rechecked next (unix seconds); None if no recheck is due any more."""
    delays = settings.recheck_seconds
    has_rechecks = consequences_of(outcome.outcome).is_rechecked and outcome.relapsed_at is None
    return outcome.at + sorted(delays)[outcome.rechecks] if has_rechecks and outcome.rechecks < len(delays) else None


def apply_recheck(outcome: Outcome, relapsed: bool, now: float, settings: KnowledgeSettings) -> Outcome:
    """Return the outcome after a recheck at `now`, which counts for all overdue rechecks.

    A relapse makes the outcome ineffective, with value 0, and ends its rechecks.
    """
    rechecks = max(outcome.rechecks + 1, sum(outcome.at + delay <= now for delay in settings.recheck_seconds))
    checked = outcome.model_copy(update={"rechecks": rechecks})
    if not relapsed:
        return checked
    return checked.model_copy(update={"relapsed_at": now, "type": EffectClass.INEFFECTIVE, "value": 0.0})
