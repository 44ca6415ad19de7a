"""The fixed grid all counting is done on, and the analysis input built upon it."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from activities.analyze.settings import AnalyzeSettings
from activities.model.baseline import AdaptiveLimits
from activities.model.blindspot import BlindSpot
from activities.model.charter import CharterFinding, Committee, Policy
from activities.model.grid_series import Series
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import SampleSeries
from activities.model.topology import Topology
from activities.monitor.adaptive_limits import broadcast_to_grid
from activities.monitor.charter_findings import member_names
from activities.monitor.queries import component_of
from activities.monitor.settings import MonitorSettings


@dataclass(frozen=True)
class GridTiming:
    """The instants to ask Prometheus for (unix seconds, multiples of `step`) and the age limit of a sample."""

    instants: tuple[float, ...]
    step: float
    max_age: float


@dataclass(frozen=True)
class RangeReading:
    """What the remotes answered over a range.

    `values` is the answer to `values_queries`, `freshness` to `coverage_detail_queries`, `findings`, `committee` and
    `policies` are Charter's (None: not read). A remote that could not be read has its blind spot in `blind`. `limits`
    are the adaptive limits in force (None: there are none).
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

    All in seconds. Every `at` within a step has the same grid; at least one instant is returned.
    """
    last = math.floor(at / step)
    count = max(1, math.ceil(lookback / step))
    return tuple((last - back) * step for back in reversed(range(count)))


def grid_timing(at: float, monitor: MonitorSettings, analyze: AnalyzeSettings) -> GridTiming:
    """Return the timing of an analysis as of `at` (unix seconds): the step is never below the scrape interval."""
    step = max(analyze.analysis_step, monitor.scrape_interval)
    return GridTiming(grid_instants(at, step, analyze.lookback), step, 2.0 * monitor.scrape_interval)


def build_analysis_input(
    reading: RangeReading,
    timing: GridTiming,
    rules: Sequence[MetricRule],
    components: Iterable[str],
    topology: Topology,
) -> AnalysisInput:
    """Return the analysis input: points put on their instants, None where there is none; nothing is judged.

    `components` are the configured ones; members are added as the committee names them. Points beside the grid are
    left out, never moved to another instant. An empty `topology` is replaced by what call metrics tell.
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
    found: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for answer in answers:
        component, metric = component_of(answer.labels), answer.labels.get(label, "")
        line = Series(component=component, metric=metric, values=answer.values_at(timing.instants, timing.step))
        found[component, metric].append(line)
    return tuple(series for key in sorted(found) for series in found[key])
