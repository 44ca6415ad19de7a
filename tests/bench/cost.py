"""`make bench-cost`: what deciding costs, and that a day-long recording is played in flat memory.

Ten components by wall clock; a thousand paired, in turns on the same Prometheus: fetching and analysing everything
against one batched query and a plain numpy pass over its answer. Exit code 1 if a goal is missed.
"""

import argparse
import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from activities.analyze.grid import RangeReading, Timing, input_of
from activities.clients.http import Http
from activities.clients.prometheus import PrometheusClient
from activities.decision import decide
from activities.model.baseline import AdaptiveLimits, Limit
from activities.model.charter import Committee
from activities.model.grid_series import Series
from activities.model.guards import GuardState
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import SampleSeries
from activities.model.topology import Topology
from activities.monitor.adaptive_limits import spread_over
from activities.monitor.builtin_rules import EXPORTED, LIVENESS
from activities.monitor.queries import MOVING, all_signals
from activities.settings import LoopSettings
from tests.bench.prometheus_backfill import prometheus
from worker.backtest.backtest import _snapshot, cycles
from worker.backtest.recording import Instant, Recording, Row

STEP, METRICS, MANY, GRID = 15.0, 15, 1000, 40
GOALS = {"few_hand_set_seconds": 0.050, "few_adaptive_seconds": 0.050, "memory_growth": 1.10, "many_ratio": 2.0}
PAIRS = 5
BATCHED = 'label_replace({__name__=~"bench_m[0-9]+"}, "rule", "$1", "__name__", "bench_(m[0-9]+)")'
"""All values by one selector: a chain of `or` over 15,000 series takes Prometheus minutes, and would hide our share."""
QUERY = 110.0
"""Seconds a query may take: the machine may be busy, and both sides wait for the same server."""
START = 1_700_000_010.0
LOOP = LoopSettings()
ADAPTIVE = tuple(
    MetricRule(metric=f"m{n}", expr=f"bench_m{n}", enter=4.0, leave=3.0, adaptive=True) for n in range(METRICS)
)


def main() -> int:
    """Measure, print, and tell by the exit code whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for measured in (few, growth, lambda: asyncio.run(paired())):
        found = measured()
        figures |= found
        for name, value in found.items():
            print(f"{name:<24}{value:>10.4f}" + (f"   goal <= {GOALS[name]:g}" if name in GOALS else ""), flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return int(any(figures[name] > goal for name, goal in GOALS.items()))


def few() -> dict[str, float]:
    """Return the seconds of CPU for ten components with 15 metrics over an hour at 15 s."""
    return {
        "few_hand_set_seconds": quickest(scene(10, 240, EXPORTED)),
        "few_adaptive_seconds": quickest(scene(10, 240, ADAPTIVE)),
    }


def scene(components: int, instants: int, rules: tuple[MetricRule, ...]) -> AnalysisInput:
    """Return a system in which one metric of one component is far beyond its limit at the end."""
    source = np.random.default_rng(1)
    names = tuple(f"c{n}" for n in range(components))
    grid = tuple(START + STEP * n for n in range(instants))
    lines = {(c, r.metric): source.normal(1.0, 0.05, instants) * good(r) for c in names for r in rules}
    lines[names[0], rules[3].metric][-20:] = 20.0 * good(rules[3]) * (1.0 if rules[3].adaptive else 2.0)
    ages = {(c, s): source.uniform(0.0, 10.0, instants) for c in names for s in all_signals(rules)}
    ages |= {(c, MOVING): np.full(instants, 3.0) for c in names}
    return AnalysisInput(
        at=grid[-1],
        step=STEP,
        grid=grid,
        components=names,
        rules=rules,
        series=tuple(Series(component=c, metric=m, values=line.tolist()) for (c, m), line in lines.items()),
        freshness=tuple(Series(component=c, metric=s, values=line.tolist()) for (c, s), line in ages.items()),
        committee=Committee(replicas=5, healthy_nodes=5, generation=1),
        topology=Topology(edges=tuple(pairwise(names))),
        usual=spread_over(limits(names, rules), instants),
    )


def good(rule: MetricRule) -> float:
    """Return a value well on the good side of the rule."""
    return 1.0 if rule.adaptive else 0.5 * rule.enter if rule.bad == "above" else 2.0 * max(rule.enter, 1.0)


def limits(names: tuple[str, ...], rules: tuple[MetricRule, ...]) -> AdaptiveLimits:
    """Return adaptive limits for the scene."""
    found = tuple(
        Limit(component=c, metric=r.metric, centre=1.0, spread=0.1) for c in names for r in rules if r.adaptive
    )
    return AdaptiveLimits(loop=LOOP.name, at=START, step=60.0, limits=found)


def quickest(source: AnalysisInput, times: int = 9) -> float:
    """Return the seconds of CPU of the quickest decision: what it costs, not what the machine was busy with."""
    return min(timed(lambda: decided(source), time.process_time) for _ in range(times))


def decided(source: AnalysisInput) -> None:
    """Analyse and plan; a decision that found nothing was no measurement."""
    decision = decide(_snapshot(source, LOOP, GuardState()), source, LOOP)
    assert decision.diagnosis.violations


def timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the seconds of one call."""
    before = clock()
    work()
    return clock() - before


class Day(Recording):
    """A made recording: ten components, a minute a sample."""

    def __init__(self, minutes: int) -> None:
        self.minutes, self.notes = minutes, []
        folder = Path(tempfile.mkdtemp())
        metric = {"unit": "seconds", "kind": "latency", "bad": "high"}
        head = {
            "name": "day",
            "step_seconds": 60,
            "start": "2023-11-14T22:13:00Z",
            "end": "2023-11-16T00:00:00Z",
            "metrics": {f"m{n}": metric for n in range(METRICS)},
        }
        (folder / "recording.json").write_text(json.dumps(head))
        super().__init__(folder)

    def instants(self) -> Iterator[Instant]:
        """Yield the samples by time."""
        source = np.random.default_rng(2)
        for minute in range(self.minutes):
            values = source.normal(1.0, 0.05, 10 * METRICS).tolist()
            rows = (Row(f"c{n % 10}", f"m{n // 10}", value) for n, value in enumerate(values))
            yield Instant(START + 60.0 * minute, tuple(rows))


def growth() -> dict[str, float]:
    """Return the peak of memory after a day of a recording over that after its first six hours."""
    early = 0
    for number, _ in enumerate(cycles(Day(1440), LOOP)):
        if number == 360:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"memory_growth": late / early}


async def paired() -> dict[str, float]:
    """Return the median seconds of both sides for a thousand components, and of the pairs' ratios."""
    names = tuple(f"c{n}" for n in range(MANY))
    async with prometheus(samples(names)) as url:
        http, plain = Http(), httpx.AsyncClient(trust_env=False, timeout=QUERY)
        client = PrometheusClient(http, url, QUERY)
        bare, full = [], []
        for _ in range(PAIRS + 1):
            before = time.perf_counter()
            await floor(plain, url)
            between = time.perf_counter()
            await whole(client, names)
            bare.append(between - before)
            full.append(time.perf_counter() - between)
        await http.close()
        await plain.aclose()
    ratios = [ours / theirs for ours, theirs in zip(full[1:], bare[1:], strict=True)]
    return {
        "many_floor_seconds": statistics.median(bare[1:]),
        "many_decision_seconds": statistics.median(full[1:]),
        "many_ratio": statistics.median(ratios),
    }


async def floor(client: httpx.AsyncClient, url: str) -> None:
    """One batched query, parsed, and a plain pass of numpy: how far is the last value from its median?"""
    form = {
        "query": BATCHED,
        "start": f"{START}",
        "end": f"{START + STEP * (GRID - 1)}",
        "step": "15",
    }
    answer: dict[str, Any] = (await client.post(f"{url}/api/v1/query_range", data=form)).raise_for_status().json()
    table = np.array([[float(value) for _, value in row["values"]] for row in answer["data"]["result"]])
    middle, spread = np.median(table, axis=1), table.std(axis=1) + 1e-9
    assert ((table[:, -1] - middle) / spread > 2.0).any()


async def whole(client: PrometheusClient, names: tuple[str, ...]) -> None:
    """The same query through the client, put on the grid, analysed and planned."""
    grid = tuple(START + STEP * n for n in range(GRID))
    values = await client.query_range(BATCHED, grid[0], grid[-1], STEP)
    reading = RangeReading(
        values=values,
        freshness=tuple(fresh(name, grid) for name in names),
        committee=Committee(replicas=5, healthy_nodes=5, generation=1),
        limits=limits(names, ADAPTIVE),
    )
    edges = Topology(edges=tuple(pairwise(names)))
    decided(input_of(reading, Timing(grid, STEP, 30.0), ADAPTIVE, names, edges))


def fresh(name: str, grid: tuple[float, ...]) -> SampleSeries:
    """Return the answer of the freshness query for a component that is well."""
    return SampleSeries(labels={"node_or_service": name, "signal": LIVENESS}, points=tuple((at, 1.0) for at in grid))


def samples(names: tuple[str, ...]) -> Iterator[str]:
    """Yield the samples as OpenMetrics: one component's `m3` is far beyond its limit at the end."""
    source = np.random.default_rng(3)
    for n in range(METRICS):
        for name in names:
            values = source.normal(1.0, 0.05, GRID)
            if (n, name) == (3, names[0]):
                values[-10:] = 20.0
            for i, value in enumerate(values.tolist()):
                yield f'bench_m{n}{{node_or_service="{name}"}} {value:.6g} {START + STEP * i}\n'


if __name__ == "__main__":
    sys.exit(main())
