"""What is usual for a metric, and what is to be expected of it: numbers made from its past."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.types import FrozenModel, MigratedModel


class Baseline(FrozenModel):
    """Centre and spread of one metric of one component at the instants of a grid, each from samples before it.

    Both are in the metric's unit, None where there is too little past.
    """

    component: str
    metric: str
    centre: tuple[float | None, ...]
    spread: tuple[float | None, ...]


class Forecast(MigratedModel):
    """How likely a metric is to be beyond `limit` within `within` seconds: `probability`, 0 to 1."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"within": "horizon_seconds"}

    component: str
    metric: str
    limit: float
    horizon_seconds: float
    probability: float


class BaselineLimit(FrozenModel):
    """What is usual for one metric of one component now: `centre` and `spread` (above 0), in the metric's unit."""

    component: str
    metric: str
    centre: float
    spread: float


class AdaptiveLimits(MigratedModel):
    """One version of a loop's adaptive limits, made at `at` (unix seconds) from samples before it, `step` s apart.

    `edges` are the (caller, callee) whose call metrics were seen in that past; `outlooks` are the forecasts made of it.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"outlooks": "forecasts"}

    loop: str
    at: float
    step: float
    limits: tuple[BaselineLimit, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    forecasts: tuple[Forecast, ...] = ()
