"""Range data of Prometheus."""

import asyncio
from itertools import chain

from activities.dependencies import LoopDependencies
from activities.model.timeseries import SampleSeries


async def query_all_ranges(
    loop: LoopDependencies, queries: tuple[str, ...], span: tuple[float, float, float], max_skew: float | None = None
) -> tuple[SampleSeries, ...]:
    """Return the answers to all queries over the span (first instant, last instant, step), in seconds.

    `max_skew` is that of `PrometheusClient.query_range`.
    """
    answers = await asyncio.gather(*(loop.prometheus.query_range(query, *span, max_skew) for query in queries))
    return tuple(chain.from_iterable(answers))
