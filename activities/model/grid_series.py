"""Samples on the fixed grid."""

from activities.model.types import FrozenModel


class Series(FrozenModel):
    """One metric of one component at the instants of a grid.

    `values[i]` belongs to `grid[i]` of the analysis input that holds the series. None: no fresh sample at that
    instant. NaN and infinities are kept as they came: they are blind spots, and judging is not done here.
    """

    component: str
    metric: str
    values: tuple[float | None, ...]
