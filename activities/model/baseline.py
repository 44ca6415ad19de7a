"""What is usual for a metric, and what is to be expected of it: numbers made from its past."""

from activities.model.types import FrozenModel


class Baseline(FrozenModel):
    """Centre and spread of one metric of one component at the instants of a grid, each from samples before it.

    Both are in the metric's unit, None where there is too little past.
    """

    component: str
    metric: str
    centre: tuple[float | None, ...]
    spread: tuple[float | None, ...]


class BaselineLimit(FrozenModel):
    """What is usual for one metric of one component now: `centre` and `spread` (above 0), in the metric's unit."""

    component: str
    metric: str
    centre: float
    spread: float


class AdaptiveLimits(FrozenModel):
    """One version of a loop's adaptive limits, made at `at` (unix seconds) from samples before it, `step` s apart.

    `edges` are the (caller, callee) whose call metrics were seen in that past.
    """

    loop: str
    at: float
    step: float
    limits: tuple[BaselineLimit, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
