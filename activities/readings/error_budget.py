"""The error budget of the service."""

from temporalio import activity

from activities.dependencies import LoopDependencies
from activities.model.errors import MapekError
from activities.plan.guards.rates import lowest_value


async def read_error_budget(loop: LoopDependencies, at: float) -> float | None:
    """Return the remaining share of the service's error budget at `at`; 0 if unknown, None without a query."""
    query = loop.settings.plan.error_budget.query
    if not query:
        return None
    try:
        samples = await loop.prometheus.query(query, at)
    except MapekError as error:
        activity.logger.warning("error budget cannot be read and counts as spent: %s", error)
        return 0.0
    return lowest_value(samples)
