"""The class and the value of an outcome, for learning."""

from activities.model.outcome import EffectClass
from activities.model.remediation_outcome import OutcomeMeaning, consequences_of

UNKNOWN_EFFECT: tuple[EffectClass, float | None] = (EffectClass.UNKNOWN, None)


def classify_outcome(outcome: str, before: int, after: int) -> tuple[EffectClass, float | None]:
    """Return the class of the effect and its value for learning (1, 0.5 or 0; None: nothing is learned).

    `before` and `after` count violated (component, metric) pairs. After a rollback, `after` is the count that caused
    the rollback, not the count after the undo. The first rule that applies decides:

    1. unknown: nothing was applied, the effect is not visible (an outcome that is not scored), or 0 → 0
    2. degradation, 0: after > before, also from zero
    3. unknown: rolled back for another reason (a failed step)
    4. success, 1: after = 0
    5. partial, 0.5: at least half is resolved
    6. ineffective, 0: less than half is resolved

    Raises:
        ValueError: A count is negative.
    """
    if before < 0 or after < 0:
        raise ValueError(f"counts of violated pairs must not be negative: before {before}, after {after}")
    effect = consequences_of(outcome).effect
    if effect is OutcomeMeaning.UNSEEN or before == after == 0:
        return UNKNOWN_EFFECT
    if after > before:
        return EffectClass.DEGRADATION, 0.0
    if effect is OutcomeMeaning.HARM_ONLY:
        return UNKNOWN_EFFECT
    if after == 0:
        return EffectClass.SUCCESS, 1.0
    if 2 * (before - after) >= before:
        return EffectClass.PARTIAL, 0.5
    return EffectClass.INEFFECTIVE, 0.0
