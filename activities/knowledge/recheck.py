"""Whether a remedy lasted: a later look at what was called fixed or improved, and what a relapse teaches.

A verification ends minutes after the change. What was good then and is bad again when it is looked at later did not
help, whatever it was called: its outcome is relabelled, and the next choice knows.
"""

from activities.knowledge.settings import KnowledgeSettings
from activities.model.outcome import EffectClass, Outcome

RECHECKED_OUTCOMES = frozenset({"fixed", "improved"})
"""Endings that promise something about the time after them."""


def next_recheck_at(outcome: Outcome, settings: KnowledgeSettings) -> float | None:
    """Return when the outcome is looked at next, unix seconds; None if it promises nothing or was looked at enough."""
    spans = settings.recheck_seconds
    if outcome.outcome not in RECHECKED_OUTCOMES or outcome.relapsed_at is not None or outcome.rechecks >= len(spans):
        return None
    return outcome.at + sorted(spans)[outcome.rechecks]


def apply_recheck(outcome: Outcome, relapsed: bool, now: float, settings: KnowledgeSettings) -> Outcome:
    """Return the outcome after a look at `now`; looks that are overdue by then are made with it.

    A relapse makes it ineffective, worth 0, and it is not looked at again.
    """
    looks = max(outcome.rechecks + 1, sum(outcome.at + span <= now for span in settings.recheck_seconds))
    seen = outcome.model_copy(update={"rechecks": looks})
    if not relapsed:
        return seen
    return seen.model_copy(update={"relapsed_at": now, "type": EffectClass.INEFFECTIVE, "value": 0.0})
