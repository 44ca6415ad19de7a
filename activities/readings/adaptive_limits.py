"""Adaptive limits from the range data of the last hours and of earlier days."""

from activities.dependencies import LoopDependencies
from activities.model.baseline import AdaptiveLimits
from activities.monitor.adaptive_limits import learn_limits, learning_span
from activities.monitor.baseline import SEASONAL_DAYS
from activities.monitor.queries import values_queries
from activities.monitor.rules import build_rules
from activities.readings.ranges import query_all_ranges


async def compute_limits(loop: LoopDependencies, at: float) -> AdaptiveLimits:
    """Return the adaptive limits as of `at` (unix seconds).

    Raises:
        MapekError: a query failed.
    """
    monitor = loop.settings.monitor
    rules = tuple(rule for rule in build_rules(monitor) if rule.adaptive)
    queries = values_queries(rules, monitor.rate_window, loop.settings.max_components)
    span = learning_span(at, max(monitor.adaptive_step, monitor.scrape_interval))
    spans = (span, *(span.days_ago(days) for days in range(1, SEASONAL_DAYS + 1)))
    answers = [await query_all_ranges(loop, queries, (each.first, each.last, each.step)) for each in spans]
    return learn_limits(loop.settings.name, span, rules, answers[0], answers[1:])
