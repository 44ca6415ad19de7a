"""What a remediation's ending teaches."""

from activities.model.outcome import OutcomeType, Verdict

ROLLED_BACK = "rolled_back"

COUNTED = frozenset({*(v.value for v in Verdict if v is not Verdict.INCONCLUSIVE), ROLLED_BACK})
"""Endings after which something was applied and its effect was seen."""

UNKNOWN: tuple[OutcomeType, float | None] = (OutcomeType.UNKNOWN, None)


def classify(ending: str, before: int, after: int) -> tuple[OutcomeType, float | None]:
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
    if ending not in COUNTED or before == after == 0:
        return UNKNOWN
    if after > before:
        return OutcomeType.DEGRADATION, 0.0
    if ending == ROLLED_BACK:
        return UNKNOWN
    if after == 0:
        return OutcomeType.SUCCESS, 1.0
    if 2 * (before - after) >= before:
        return OutcomeType.PARTIAL, 0.5
    return OutcomeType.INEFFECTIVE, 0.0
