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

from activities.analyze.analysis_input import GridTiming, RangeReading, build_analysis_input
from activities.clients.http import HttpClient
from activities.clients.prometheus import PrometheusClient
from activities.decision import decide
from activities.model.baseline import AdaptiveLimits, BaselineLimit
from activities.model.charter import Committee
from activities.model.guard_state import GuardState
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import SampleSeries, Series
from activities.model.topology import Topology
from activities.monitor.adaptive_limits import broadcast_to_grid
from activities.monitor.builtin_rules import EXPORTED_RULES
from activities.monitor.metric_names import LIVENESS_COUNTER
from activities.monitor.queries import COUNTER_MOVING, all_signals
from activities.settings import LoopSettings
from tests.bench.prometheus_backfill import backfilled_prometheus
from worker.backtest.recording import RecordedInstant, RecordedSample, Recording
from worker.backtest.replay import _build_snapshot, replay_cycles

STEP_SECONDS, METRIC_COUNT, MANY_COMPONENTS, GRID_INSTANTS = 15.0, 15, 1000, 40
MAX_COSTS = {"few_hand_set_seconds": 0.050, "few_adaptive_seconds": 0.050, "memory_growth": 1.10, "many_ratio": 2.0}
PAIR_COUNT = 5
BATCHED_QUERY = 'label_replace({__name__=~"bench_m[0-9]+"}, "rule", "$1", "__name__", "bench_(m[0-9]+)")'
"""All values by one selector: a chain of `or` over 15,000 series takes Prometheus minutes, and would hide our share."""
QUERY_TIMEOUT_SECONDS = 110.0
"""Seconds a query may take: the machine may be busy, and both sides wait for the same server."""
START_TIME = 1_700_000_010.0
LOOP_SETTINGS = LoopSettings()
ADAPTIVE_RULES = tuple(
    MetricRule(metric=f"m{n}", expr=f"bench_m{n}", threshold=4.0, clear_threshold=3.0, adaptive=True)
    for n in range(METRIC_COUNT)
)


def main() -> int:
    """Measure and print; return 0 if the goals are met, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    options = parser.parse_args()
    figures: dict[str, float] = {}
    for measured in (measure_few_components, measure_memory_growth, lambda: asyncio.run(measure_paired_ratios())):
        found = measured()
        figures |= found
        for name, value in found.items():
            print(
                f"{name:<24}{value:>10.4f}" + (f"   goal <= {MAX_COSTS[name]:g}" if name in MAX_COSTS else ""),
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    return int(any(figures[name] > goal for name, goal in MAX_COSTS.items()))


def measure_few_components() -> dict[str, float]:
    """Return the seconds of CPU for ten components with 15 metrics over an hour at 15 s."""
    return {
        "few_hand_set_seconds": measure_fastest_decision(make_analysis_input(10, 240, EXPORTED_RULES)),
        "few_adaptive_seconds": measure_fastest_decision(make_analysis_input(10, 240, ADAPTIVE_RULES)),
    }


def make_analysis_input(components: int, instants: int, rules: tuple[MetricRule, ...]) -> AnalysisInput:
    """Return a system in which one metric of one component is far beyond its limit at the end."""
    source = np.random.default_rng(1)
    names = tuple(f"c{n}" for n in range(components))
    grid = tuple(START_TIME + STEP_SECONDS * n for n in range(instants))
    lines = {(c, r.metric): source.normal(1.0, 0.05, instants) * healthy_value(r) for c in names for r in rules}
    lines[names[0], rules[3].metric][-20:] = 20.0 * healthy_value(rules[3]) * (1.0 if rules[3].adaptive else 2.0)
    ages = {(c, s): source.uniform(0.0, 10.0, instants) for c in names for s in all_signals(rules)}
    ages |= {(c, COUNTER_MOVING): np.full(instants, 3.0) for c in names}
    return AnalysisInput(
        at=grid[-1],
        step=STEP_SECONDS,
        grid=grid,
        components=names,
        rules=rules,
        series=tuple(Series(component=c, metric=m, values=line.tolist()) for (c, m), line in lines.items()),
        freshness=tuple(Series(component=c, metric=s, values=line.tolist()) for (c, s), line in ages.items()),
        committee=Committee(replicas=5, healthy_nodes=5, generation=1),
        topology=Topology(edges=tuple(pairwise(names))),
        baselines=broadcast_to_grid(make_adaptive_limits(names, rules), instants),
    )


def healthy_value(rule: MetricRule) -> float:
    """Return a value well on the good side of the rule."""
    return 1.0 if rule.adaptive else 0.5 * rule.threshold if rule.breach == "above" else 2.0 * max(rule.threshold, 1.0)


def make_adaptive_limits(names: tuple[str, ...], rules: tuple[MetricRule, ...]) -> AdaptiveLimits:
    """Return adaptive limits for the scene."""
    found = tuple(
        BaselineLimit(component=c, metric=r.metric, centre=1.0, spread=0.1) for c in names for r in rules if r.adaptive
    )
    return AdaptiveLimits(loop=LOOP_SETTINGS.name, at=START_TIME, step=60.0, limits=found)


def measure_fastest_decision(source: AnalysisInput, times: int = 9) -> float:
    """Return the seconds of CPU of the quickest decision: what it costs, not what the machine was busy with."""
    return min(measure_seconds(lambda: run_decision(source), time.process_time) for _ in range(times))


def run_decision(source: AnalysisInput) -> None:
    """Analyse and plan; a decision that found nothing was no measurement."""
    decision = decide(_build_snapshot(source, LOOP_SETTINGS, GuardState()), source, LOOP_SETTINGS)
    assert decision.diagnosis.violations


def measure_seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Return the seconds of one call."""
    before = clock()
    work()
    return clock() - before


class DayRecording(Recording):
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
            "metrics": {f"m{n}": metric for n in range(METRIC_COUNT)},
        }
        (folder / "recording.json").write_text(json.dumps(head))
        super().__init__(folder)

    def instants(self) -> Iterator[RecordedInstant]:
        """Yield the samples by time."""
        source = np.random.default_rng(2)
        for minute in range(self.minutes):
            values = source.normal(1.0, 0.05, 10 * METRIC_COUNT).tolist()
            rows = (RecordedSample(f"c{n % 10}", f"m{n // 10}", value) for n, value in enumerate(values))
            yield RecordedInstant(START_TIME + 60.0 * minute, tuple(rows))


def measure_memory_growth() -> dict[str, float]:
    """Return the peak of memory after a day of a recording over that after its first six hours."""
    early = 0
    for number, _ in enumerate(replay_cycles(DayRecording(1440), LOOP_SETTINGS)):
        if number == 360:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"memory_growth": late / early}


async def measure_paired_ratios() -> dict[str, float]:
    """Return the median seconds of both sides for a thousand components, and of the pairs' ratios."""
    names = tuple(f"c{n}" for n in range(MANY_COMPONENTS))
    async with backfilled_prometheus(format_samples(names)) as url:
        http, plain = HttpClient(), httpx.AsyncClient(trust_env=False, timeout=QUERY_TIMEOUT_SECONDS)
        client = PrometheusClient(http, url, QUERY_TIMEOUT_SECONDS)
        bare, full = [], []
        for _ in range(PAIR_COUNT + 1):
            before = time.perf_counter()
            await run_floor(plain, url)
            between = time.perf_counter()
            await run_decision_from_query(client, names)
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


async def run_floor(client: httpx.AsyncClient, url: str) -> None:
    """One batched query, parsed, and a plain pass of numpy: how far is the last value from its median?"""
    form = {
        "query": BATCHED_QUERY,
        "start": f"{START_TIME}",
        "end": f"{START_TIME + STEP_SECONDS * (GRID_INSTANTS - 1)}",
        "step": "15",
    }
    answer: dict[str, Any] = (await client.post(f"{url}/api/v1/query_range", data=form)).raise_for_status().json()
    table = np.array([[float(value) for _, value in row["values"]] for row in answer["data"]["result"]])
    middle, spread = np.median(table, axis=1), table.std(axis=1) + 1e-9
    assert ((table[:, -1] - middle) / spread > 2.0).any()


async def run_decision_from_query(client: PrometheusClient, names: tuple[str, ...]) -> None:
    """The same query through the client, put on the grid, analysed and planned."""
    grid = tuple(START_TIME + STEP_SECONDS * n for n in range(GRID_INSTANTS))
    values = await client.query_range(BATCHED_QUERY, grid[0], grid[-1], STEP_SECONDS)
    reading = RangeReading(
        values=values,
        freshness=tuple(make_freshness_series(name, grid) for name in names),
        committee=Committee(replicas=5, healthy_nodes=5, generation=1),
        limits=make_adaptive_limits(names, ADAPTIVE_RULES),
    )
    edges = Topology(edges=tuple(pairwise(names)))
    run_decision(build_analysis_input(reading, GridTiming(grid, STEP_SECONDS, 30.0), ADAPTIVE_RULES, names, edges))


def make_freshness_series(name: str, grid: tuple[float, ...]) -> SampleSeries:
    """Return the answer of the freshness query for a component that is well."""
    return SampleSeries(
        labels={"node_or_service": name, "signal": LIVENESS_COUNTER}, points=tuple((at, 1.0) for at in grid)
    )


def format_samples(names: tuple[str, ...]) -> Iterator[str]:
    """Yield the samples as OpenMetrics: one component's `m3` is far beyond its limit at the end."""
    source = np.random.default_rng(3)
    for n in range(METRIC_COUNT):
        for name in names:
            values = source.normal(1.0, 0.05, GRID_INSTANTS)
            if (n, name) == (3, names[0]):
                values[-10:] = 20.0
            for i, value in enumerate(values.tolist()):
                yield f'bench_m{n}{{node_or_service="{name}"}} {value:.6g} {START_TIME + STEP_SECONDS * i}\n'


if __name__ == "__main__":
    sys.exit(main())
