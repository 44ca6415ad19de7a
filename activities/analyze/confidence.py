"""How sure a diagnosis is."""

from collections.abc import Sequence
from statistics import fmean

from activities.model.pattern import Pattern


def overall_confidence(patterns: Sequence[Pattern], violation_count: int, saturation: int) -> float:
    """Return 0.7 × mean(pattern confidences) + 0.3 × min(1, counted ÷ saturation), 0 without a pattern.

    `counted` is the number of distinct counted violations behind the patterns. The confidence of a pattern is the
    prior of its analyzer (its setting `sensitivity`) until outcomes tell more.
    """
    if not patterns:
        return 0.0
    return 0.7 * fmean(pattern.confidence for pattern in patterns) + 0.3 * min(1.0, violation_count / saturation)
