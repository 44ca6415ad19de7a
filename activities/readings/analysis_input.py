"""The recent past of one loop, as Analyze, Execute and Upkeep judge it."""

import asyncio
from collections.abc import Awaitable, Callable

from activities.analyze.analysis_input import RangeReading, build_analysis_input, grid_timing
from activities.dependencies import LoopDependencies
from activities.model.blindspot import BlindSpot
from activities.model.snapshot import AnalysisInput
from activities.monitor.adaptive_limits import keep_if_fresh
from activities.monitor.queries import coverage_detail_queries, values_queries
from activities.monitor.rules import build_rules
from activities.monitor.visibility import CHARTER, PROMETHEUS
from activities.readings.blind_spots import fetch_or_blind
from activities.readings.ranges import query_all_ranges

InputLoader = Callable[[], Awaitable[AnalysisInput]]
"""Loads the analysis input on the first call and returns the same one on later calls."""


async def collect_analysis_input(loop: LoopDependencies, at: float) -> AnalysisInput:
    """Return the range data of all rules up to `at` (unix seconds), with Charter's own state.

    `at` must be the present, at most the age of a stale sample ago: Charter's state is always that of the present.
    """
    settings = loop.settings
    rules = build_rules(settings.monitor)
    timing = grid_timing(at, settings.monitor, settings.analyze)
    limits = keep_if_fresh(await loop.limits.load_newest(), at) if loop.limits is not None else None
    # The grid ends up to one step before `at`, and an answer takes up to the timeout.
    max_skew = timing.max_age + timing.step + settings.monitor.timeout_seconds
    span = (timing.instants[0], timing.instants[-1], timing.step)
    size = settings.max_components
    blind: list[BlindSpot] = []
    values, freshness, findings, committee, policies = await asyncio.gather(
        fetch_or_blind(
            query_all_ranges(loop, values_queries(rules, settings.monitor.rate_window, size), span, max_skew),
            PROMETHEUS,
            "values",
            blind,
        ),
        fetch_or_blind(
            query_all_ranges(loop, coverage_detail_queries(rules, timing.max_age, size), span, max_skew),
            PROMETHEUS,
            "freshness",
            blind,
        ),
        fetch_or_blind(loop.charter.fetch_violations(timing.instants[0]), CHARTER, "violations", blind),
        fetch_or_blind(loop.charter.fetch_committee(), CHARTER, "committee/state", blind),
        fetch_or_blind(loop.charter.fetch_policies(include_inactive=True), CHARTER, "policies", blind),
    )
    reading = RangeReading(
        values=values or (),
        freshness=freshness or (),
        findings=findings or (),
        committee=committee,
        policies=policies or (),
        blind=tuple(blind),
        limits=limits,
    )
    return build_analysis_input(reading, timing, rules, settings.components, settings.topology)


def make_input_loader(loop: LoopDependencies, clock: Callable[[], float]) -> InputLoader:
    """Return a loader of the present analysis input; the wait for remotes that do not answer occurs once."""
    loaded: list[AnalysisInput] = []

    async def load() -> AnalysisInput:
        if not loaded:
            loaded.append(await collect_analysis_input(loop, clock()))
        return loaded[0]

    return load
