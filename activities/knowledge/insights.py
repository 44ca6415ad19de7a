"""The learned success rates, as sentences for operators."""

import math

from activities.knowledge.settings import KnowledgeSettings
from activities.model.experience import ActionStats, Experience

MIN_OUTCOMES = 3
"""Outcomes below which no rate is reported."""

Z95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(total: float, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the rate `total` / `count`, within 0 to 1.

    A partial outcome counts 0.5, so `total` may be fractional; the interval is then slightly too wide.

    Raises:
        ValueError: `count` is not positive, or `total` is not within 0 to `count`.
    """
    if count <= 0 or not 0.0 <= total <= count:
        raise ValueError(f"{total} of {count} is not a rate: count must be positive and total within 0 to count")
    rate, spread = total / count, Z95 * Z95 / count
    centre = (rate + spread / 2) / (1 + spread)
    half = Z95 / (1 + spread) * math.sqrt(rate * (1 - rate) / count + spread / (4 * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def format_insights(experience: Experience, settings: KnowledgeSettings) -> tuple[str, ...]:
    """Return a sentence for each action and cause with at least `MIN_OUTCOMES` outcomes, the most frequent first.

    Empty if insights are disabled.
    """
    if not settings.insight_generation_enabled:
        return ()
    frequent = [stats for stats in experience.action_stats if stats.count >= MIN_OUTCOMES]
    return tuple(_format_insight(stats) for stats in sorted(frequent, key=lambda s: (-s.count, s.action, s.cause)))


def _format_insight(stats: ActionStats) -> str:
    low, high = wilson_interval(stats.total, stats.count)
    return (
        f"{stats.action} helps against {stats.cause} at a rate of {stats.total / stats.count:.0%} "
        f"(95 % interval {low:.0%} to {high:.0%}, n = {stats.count})"
    )
