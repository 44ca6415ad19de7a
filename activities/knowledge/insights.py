"""What was learned, as sentences for people."""

import math

from activities.knowledge.settings import KnowledgeSettings
from activities.model.experience import ActionStats, Experience

MIN_OUTCOMES = 3
"""Below it a rate says nothing."""

Z95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


def wilson_interval(total: float, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the rate `total` / `n`, within 0 to 1.

    Partial outcomes count half, so `total` need not be whole; the interval is then a little wider than it has to be.

    Raises:
        ValueError: `n` is not positive, or `total` is not within 0 to `n`.
    """
    if count <= 0 or not 0.0 <= total <= count:
        raise ValueError(f"no rate: {total} of {count}")
    rate, spread = total / count, Z95 * Z95 / count
    centre = (rate + spread / 2) / (1 + spread)
    half = Z95 / (1 + spread) * math.sqrt(rate * (1 - rate) / count + spread / (4 * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def format_insights(experience: Experience, settings: KnowledgeSettings) -> tuple[str, ...]:
    """Return one sentence for each action and cause with at least `MIN_OUTCOMES` outcomes, the most tried first.

    Empty when insights are switched off.
    """
    if not settings.insight_generation_enabled:
        return ()
    tried = [record for record in experience.action_stats if record.count >= MIN_OUTCOMES]
    return tuple(_format_insight(record) for record in sorted(tried, key=lambda r: (-r.count, r.action, r.cause)))


def _format_insight(stats: ActionStats) -> str:
    low, high = wilson_interval(stats.total, stats.count)
    return (
        f"{stats.action} helps against {stats.cause} at a rate of {stats.total / stats.count:.0%} "
        f"(95 % interval {low:.0%} to {high:.0%}, n = {stats.count})"
    )
