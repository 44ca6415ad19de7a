"""What was learned, as sentences for people."""

import math

from activities.knowledge.settings import KnowledgeSettings
from activities.model.experience import Experience, Record

MIN_OUTCOMES = 3
"""Below it a rate says nothing."""

Z95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""


def wilson(total: float, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of the rate `total` / `n`, within 0 to 1.

    Partial outcomes count half, so `total` need not be whole; the interval is then a little wider than it has to be.

    Raises:
        ValueError: `n` is not positive, or `total` is not within 0 to `n`.
    """
    if n <= 0 or not 0.0 <= total <= n:
        raise ValueError(f"no rate: {total} of {n}")
    rate, spread = total / n, Z95 * Z95 / n
    centre = (rate + spread / 2) / (1 + spread)
    half = Z95 / (1 + spread) * math.sqrt(rate * (1 - rate) / n + spread / (4 * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def insights(experience: Experience, settings: KnowledgeSettings) -> tuple[str, ...]:
    """Return one sentence for each action and cause with at least `MIN_OUTCOMES` outcomes, the most tried first.

    Empty when insights are switched off.
    """
    if not settings.insight_generation_enabled:
        return ()
    tried = [record for record in experience.records if record.n >= MIN_OUTCOMES]
    return tuple(_sentence(record) for record in sorted(tried, key=lambda r: (-r.n, r.action, r.cause)))


def _sentence(record: Record) -> str:
    low, high = wilson(record.total, record.n)
    return (
        f"{record.action} helps against {record.cause} at a rate of {record.total / record.n:.0%} "
        f"(95 % interval {low:.0%} to {high:.0%}, n = {record.n})"
    )
