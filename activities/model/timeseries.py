"""What Prometheus answers."""

from activities.model.types import FrozenModel


class Sample(FrozenModel):
    """One series at one instant. `at` is unix seconds; NaN and infinities in `value` are kept as they came."""

    labels: dict[str, str]
    value: float
    at: float


class SampleSeries(FrozenModel):
    """One series over a range: `points` are (unix seconds, value), oldest first, NaN and infinities kept."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]
