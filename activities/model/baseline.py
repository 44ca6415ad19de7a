"""What is usual for a metric, and what is to be expected of it: numbers made from its past."""

from activities.model.types import Noun


class Usual(Noun):
    """Centre and spread of one metric of one component at the instants of a grid, each from samples before it.

    Both are in the metric's unit, None where there is too little past.
    """

    component: str
    metric: str
    centre: tuple[float | None, ...]
    spread: tuple[float | None, ...]


class Outlook(Noun):
    """How likely a metric is to be beyond `limit` within `within` seconds: `probability`, 0 to 1."""

    component: str
    metric: str
    limit: float
    within: float
    probability: float


class Limit(Noun):
    """What is usual for one metric of one component now: `centre` and `spread` (above 0), in the metric's unit."""

    component: str
    metric: str
    centre: float
    spread: float


class AdaptiveLimits(Noun):
    """One version of a loop's adaptive limits, made at `at` (unix seconds) from samples before it, `step` s apart.

    `edges` are the (caller, callee) whose call metrics were seen in that past; `outlooks` are the forecasts made of it.
    """

    loop: str
    at: float
    step: float
    limits: tuple[Limit, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    outlooks: tuple[Outlook, ...] = ()
