"""The fixed grid on which violations are counted, and the analysis input on that grid."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from activities.analyze.settings import AnalyzeSettings
from activities.model.baseline import AdaptiveLimits
from activities.model.blindspot import BlindSpot
from activities.model.charter import CharterFinding, Committee, Policy
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import SampleSeries, Series
from activities.model.topology import Topology
from activities.model.types import MetricKey
from activities.monitor.adaptive_limits import broadcast_to_grid
from activities.monitor.charter_findings import member_names
from activities.monitor.queries import component_of
from activities.monitor.settings import MonitorSettings


@dataclass(frozen=True)
class GridTiming:
    """The instants of the queries (unix seconds, multiples of `step`) and the maximum age of a sample in seconds."""

    instants: tuple[float, ...]
    step: float
    max_age: float


@dataclass(frozen=True)
class RangeReading:
    """The answers of the remotes over a range.

    `values` is the answer to `values_queries`, `freshness` that to `coverage_detail_queries`. `findings`, `committee`
    and `policies` are Charter's; the committee is None if not read. A remote that cannot be read has its blind spot in
    `blind`. `limits` are the current adaptive limits, None if there are none.
    """

    values: tuple[SampleSeries, ...] = ()
    freshness: tuple[SampleSeries, ...] = ()
    findings: tuple[CharterFinding, ...] = ()
    committee: Committee | None = None
    policies: tuple[Policy, ...] = ()
    blind: tuple[BlindSpot, ...] = ()
    limits: AdaptiveLimits | None = None


def grid_instants(at: float, step: float, lookback: float) -> tuple[float, ...]:
    """Return the multiples of `step` in (a − lookback, a], where a is the last multiple at or before `at`.

    All in seconds. Every `at` within a step has the same grid, which has at least one instant.
    """
    last = math.floor(at / step)
    count = max(1, math.ceil(lookback / step))
    return tuple((last - steps_back) * step for steps_back in reversed(range(count)))


def grid_timing(at: float, monitor: MonitorSettings, analyze: AnalyzeSettings) -> GridTiming:
    """Return the timing of an analysis as of `at` (unix seconds): the step is never below the scrape interval."""
    step = max(analyze.analysis_step, monitor.scrape_interval)
    return GridTiming(grid_instants(at, step, analyze.lookback), step, monitor.max_sample_age)


def build_analysis_input(
    reading: RangeReading,
    timing: GridTiming,
    rules: Sequence[MetricRule],
    components: Iterable[str],
    topology: Topology,
) -> AnalysisInput:
    """Return the analysis input: the points on their instants, None for an instant without a point.

    `components` are the configured ones, to which the committee's members are added. A point between two instants is
    left out and never moved. An empty `topology` is replaced by the edges that call metrics show.
    """
    return AnalysisInput(
        at=timing.instants[-1],
        step=timing.step,
        max_age=timing.max_age,
        grid=timing.instants,
        components=tuple(sorted({*components, *member_names(reading.committee)})),
        rules=tuple(rules),
        series=_align_series(reading.values, "rule", timing),
        freshness=_align_series(reading.freshness, "signal", timing),
        findings=reading.findings,
        committee=reading.committee,
        policies=reading.policies,
        topology=topology if topology.edges or reading.limits is None else Topology(edges=reading.limits.edges),
        blind=reading.blind,
        baselines=broadcast_to_grid(reading.limits, len(timing.instants)),
    )


def _align_series(answers: Iterable[SampleSeries], label: str, timing: GridTiming) -> tuple[Series, ...]:
    lines: dict[MetricKey, list[Series]] = defaultdict(list)
    for answer in answers:
        component, metric = component_of(answer.labels), answer.labels.get(label, "")
        line = Series(component=component, metric=metric, values=answer.values_at(timing.instants, timing.step))
        lines[component, metric].append(line)
    return tuple(line for key in sorted(lines) for line in lines[key])
