"""Baselines: the usual values of a metric, computed from its past."""

from activities.model.types import FrozenModel


class Baseline(FrozenModel):
    """Centre and spread of one metric of one component at the instants of a grid, each from earlier samples.

    Both are in the unit of the metric, None with too little past.
    """

    component: str
    metric: str
    centre: tuple[float | None, ...]
    spread: tuple[float | None, ...]


class BaselineLimit(FrozenModel):
    """The usual value of one metric of one component: `centre` and `spread` (above 0), in its unit."""

    component: str
    metric: str
    centre: float
    spread: float


class AdaptiveLimits(FrozenModel):
    """One version of a loop's adaptive limits, made at `at` (unix seconds) from earlier samples, `step` s apart.

    `edges` are the (caller, callee) pairs whose call metrics occur in that past.
    """

    loop: str
    at: float
    step: float
    limits: tuple[BaselineLimit, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
