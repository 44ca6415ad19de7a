"""What is usual for a metric, and what is to be expected of it: numbers made from its past."""

from activities.model.base import Noun


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
