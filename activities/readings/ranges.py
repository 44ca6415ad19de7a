"""Range data of Prometheus."""

import asyncio
from itertools import chain

from activities.dependencies import LoopDependencies
from activities.model.timeseries import SampleSeries


async def query_all_ranges(
    loop: LoopDependencies, queries: tuple[str, ...], span: tuple[float, float, float], max_skew: float | None = None
) -> tuple[SampleSeries, ...]:
    """Return the answers to all queries over the span (first and last instant, step); `within` as Prometheus's."""
    answers = await asyncio.gather(*(loop.prometheus.query_range(query, *span, max_skew) for query in queries))
    return tuple(chain.from_iterable(answers))
