"""What a remediation's ending teaches."""

from activities.model.outcome import EffectClass, Verdict

ROLLED_BACK_OUTCOME = "rolled_back"

SCORED_OUTCOMES = frozenset({*(v.value for v in Verdict if v is not Verdict.INCONCLUSIVE), ROLLED_BACK_OUTCOME})
"""Endings after which something was applied and its effect was seen."""

UNKNOWN_EFFECT: tuple[EffectClass, float | None] = (EffectClass.UNKNOWN, None)


def classify_outcome(outcome: str, before: int, after: int) -> tuple[EffectClass, float | None]:
    """Return the outcome and its value for learning (1, 0.5 or 0; None where nothing is learned).

    `before` and `after` are numbers of violated (component, metric) pairs; of a remediation that was rolled back
    `after` is the number that made it roll back, not the one after the undo. The first rule that fits decides:

    1. unknown: nothing was applied, or its effect could not be seen (any ending not in `COUNTED`), or 0 → 0
    2. degradation, 0: after > before, also from zero
    3. unknown: rolled back for another reason than that (a failed step)
    4. success, 1: after = 0
    5. partial, 0.5: at least half of them resolved
    6. ineffective, 0: everything else

    Raises:
        ValueError: A count is negative.
    """
    if before < 0 or after < 0:
        raise ValueError(f"counts of violated pairs cannot be negative: before {before}, after {after}")
    if outcome not in SCORED_OUTCOMES or before == after == 0:
        return UNKNOWN_EFFECT
    if after > before:
        return EffectClass.DEGRADATION, 0.0
    if outcome == ROLLED_BACK_OUTCOME:
        return UNKNOWN_EFFECT
    if after == 0:
        return EffectClass.SUCCESS, 1.0
    if 2 * (before - after) >= before:
        return EffectClass.PARTIAL, 0.5
    return EffectClass.INEFFECTIVE, 0.0
