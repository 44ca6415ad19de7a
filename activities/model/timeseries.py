"""Time series: as Prometheus returns them, and as samples on the fixed grid of an analysis input."""

from collections.abc import Sequence

from activities.model.types import FrozenModel

_TOLERANCE_SECONDS = 0.01
"""Largest distance in seconds between a point and its instant: Prometheus rounds to milliseconds."""


class Sample(FrozenModel):
    """One series at one instant. `at` is unix seconds; NaN and infinities in `value` are kept as they came."""

    labels: dict[str, str]
    value: float
    at: float


class SampleSeries(FrozenModel):
    """One series over a range: `points` are (unix seconds, value), oldest first, NaN and infinities kept."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]

    def values_at(self, instants: Sequence[float], step: float) -> tuple[float | None, ...]:
        """Return the value at each instant (unix seconds, `step` apart), None without a point there.

        A point between two instants is left out and never moved to another instant.
        """
        times, values = zip(*self.points, strict=True) if self.points else ((), ())
        if times == instants:
            return values
        aligned: list[float | None] = [None] * len(instants)
        for at, value in self.points:
            index = round((at - instants[0]) / step)
            if 0 <= index < len(aligned) and abs(at - instants[index]) <= _TOLERANCE_SECONDS:
                aligned[index] = value
        return tuple(aligned)


class Series(FrozenModel):
    """One metric of one component at the instants of a grid.

    `values[i]` belongs to `grid[i]` of the analysis input that holds the series. None: no fresh sample at that
    instant. NaN and infinities are kept: they are blind spots, and the judgement decides about them.
    """

    component: str
    metric: str
    values: tuple[float | None, ...]
