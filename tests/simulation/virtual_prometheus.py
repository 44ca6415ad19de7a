"""A virtual Prometheus: it answers the loop's four queries from the plant's own metrics.

Every scrape keeps the value of each rule, over the window of the real expressions and recording rules. Between scrapes
a rule has its last value. A series missing in a scrape ends immediately, as with a stale marker.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from activities.clients.prometheus import require_fresh
from activities.model.errors import InvalidResponse, Unreachable
from activities.model.rule import MetricRule
from activities.model.timeseries import Sample, SampleSeries
from activities.monitor.metric_names import COMPONENT_LABEL, METRIC_PREFIX
from activities.monitor.queries import (
    COUNTER_MOVING,
    all_signals,
    coverage_detail_queries,
    coverage_query,
    prefilter_query,
    required_signals,
    values_queries,
)
from activities.monitor.settings import MonitorSettings
from deploy.simulator.component_metrics import ComponentMetrics
from tests.simulation.meter_readings import RawScrape, Values, compute_values, count_changes, take_scrape

RETENTION_SECONDS = 4200.0
"""Seconds of history: one hour, for a worker whose clock is wrong, and the look-back."""
LOOKBACK_SECONDS = 300.0
"""Seconds after which Prometheus no longer returns a sample."""
RECORDED_METRICS = frozenset({"validation_latency_seconds", "failure_rate", "throughput_ops_per_sec"})
"""Metrics of recording rules: absent until their counters give a value."""


@dataclass
class Scrape:
    """One scrape: rule values by component, and how often each component's counters changed recently."""

    at: float
    values: dict[str, Values] = field(default_factory=dict)
    counter_changes: dict[str, int] = field(default_factory=dict)
    prefilter: tuple[Sample, ...] | None = None


RangeAnswer = Callable[[Sequence[tuple[float, Scrape]]], tuple[SampleSeries, ...]]


def answer_in_first_part(parts: Sequence[str], answer: RangeAnswer) -> dict[str, RangeAnswer]:
    """Return the whole answer for the first part of a query and none for the others: the client joins them."""
    return {part: answer if part is parts[0] else lambda _: () for part in parts}


class VirtualPrometheus:
    """Duck type of the Prometheus client. `fault` is empty, `down`, `partial` or `frozen` (no new scrapes).

    It answers only the queries of the given rules. `clock` returns its own time, unix seconds.
    """

    def __init__(
        self, rules: Sequence[MetricRule], settings: MonitorSettings, components: int, clock: Callable[[], float]
    ) -> None:
        self.clock = clock
        self.rules, self.interval, self.window = rules, settings.scrape_interval, settings.rate_window
        self.rule_metrics = frozenset(rule.metric for rule in rules)
        self.signals, self.required_signals = frozenset(all_signals(rules)), required_signals(rules)
        self.scrapes: deque[Scrape] = deque()
        self.raw: dict[str, deque[RawScrape]] = {}
        self.fault = ""
        self._answers = {
            prefilter_query(rules, self.window): self._answer_prefilter,
            coverage_query(rules, 2 * self.interval): self._answer_coverage,
        }
        self._ranges = {
            **answer_in_first_part(values_queries(rules, self.window, components), self._answer_values),
            **answer_in_first_part(
                coverage_detail_queries(rules, 2 * self.interval, components), self._answer_freshness
            ),
        }

    def add_scrape(self, at: float, exports: Mapping[str, tuple[ComponentMetrics, bool]]) -> None:
        """Scrape every exporter that answers."""
        if self.fault == "frozen":
            return
        scrape = Scrape(at)
        for name, (meter, has_nan_sums) in exports.items():
            scrapes = self.raw.setdefault(name, deque())
            scrapes.append(take_scrape(at, meter, has_nan_sums))
            while scrapes[0].at <= at - self.window:
                scrapes.popleft()
            scrape.values[name] = {
                m: value for m, value in compute_values(scrapes, meter, at).items() if m in self.rule_metrics
            }
            scrape.counter_changes[name] = count_changes([raw for raw in scrapes if raw.at > at - 3 * self.interval])
        for gone in set(self.raw) - set(exports):
            del self.raw[gone]
        self._append_scrape(scrape)

    def repeat_scrape(self, at: float) -> None:
        """Repeat the last scrape at a later time."""
        last = self.scrapes[-1]
        self._append_scrape(Scrape(at, last.values, last.counter_changes, last.prefilter))

    def shift_windows(self, seconds: float) -> None:
        """Move the counter windows by the seconds that were skipped."""
        for name, scrapes in self.raw.items():
            self.raw[name] = deque(RawScrape(raw.at + seconds, raw.counters, raw.histograms) for raw in scrapes)

    async def query(self, promql: str, at: float, max_skew: float | None = None) -> tuple[Sample, ...]:
        """Answer the pre-filter or the coverage query.

        Raises:
            Unreachable, InvalidResponse, ClockSkew: as the real client.
        """
        self._raise_if_faulty(at, max_skew)
        scrape = self._scrape_at(at)
        return () if scrape is None else self._answers[promql](scrape, at)

    async def query_range(
        self, promql: str, start: float, end: float, step: float, max_skew: float | None = None
    ) -> tuple[SampleSeries, ...]:
        """Answer the values or the freshness query.

        Raises:
            Unreachable, InvalidResponse, ClockSkew: as the real client.
        """
        self._raise_if_faulty(end, max_skew)
        instants = [start + i * step for i in range(round((end - start) / step) + 1)]
        scrapes = [(at, scrape) for at in instants if (scrape := self._scrape_at(at)) is not None]
        return self._ranges[promql](scrapes)

    def _raise_if_faulty(self, at: float, max_skew: float | None) -> None:
        if self.fault == "down":
            raise Unreachable("Prometheus: connection refused")
        if self.fault == "partial":
            raise InvalidResponse("Prometheus warns of a partial answer")
        require_fresh(at, max_skew, float(int(self.clock())))

    def _append_scrape(self, scrape: Scrape) -> None:
        self.scrapes.append(scrape)
        while self.scrapes[0].at < scrape.at - RETENTION_SECONDS:
            self.scrapes.popleft()

    def _scrape_at(self, at: float) -> Scrape | None:
        index = len(self.scrapes) - 1
        if not self.scrapes or self.scrapes[-1].at > at:
            index = bisect_right([scrape.at for scrape in self.scrapes], at) - 1
        if index < 0 or at - self.scrapes[index].at > LOOKBACK_SECONDS:
            return None
        return self.scrapes[index]

    def _answer_prefilter(self, scrape: Scrape, at: float) -> tuple[Sample, ...]:
        if scrape.prefilter is None:
            scrape.prefilter = tuple(
                Sample(labels={COMPONENT_LABEL: name, "rule": rule.metric}, value=values[rule.metric], at=at)
                for name, values in scrape.values.items()
                for rule in self.rules
                if rule.metric in values and not is_below_prefilter(rule, values[rule.metric])
            )
        return scrape.prefilter

    def _answer_coverage(self, scrape: Scrape, at: float) -> tuple[Sample, ...]:
        age = at - scrape.at
        if age > 2 * self.interval:
            return tuple(
                Sample(labels={COMPONENT_LABEL: name, "signal": signal}, value=age, at=at)
                for name, values in scrape.values.items()
                for signal in self._present_signals(values)
            )
        counted = [
            Sample(
                labels={COMPONENT_LABEL: name},
                value=float(sum(map(self._present_signals(values).__contains__, self.required_signals))),
                at=at,
            )
            for name, values in scrape.values.items()
        ]
        stalled = [
            Sample(labels={COMPONENT_LABEL: name, "signal": COUNTER_MOVING}, value=0.0, at=at)
            for name, changed in scrape.counter_changes.items()
            if not changed
        ]
        return (*counted, *stalled)

    def _answer_values(self, scrapes: Sequence[tuple[float, Scrape]]) -> tuple[SampleSeries, ...]:
        lines: list[SampleSeries] = []
        for name, shown in self._scrapes_by_component(scrapes):
            metrics = dict.fromkeys(metric for _, scrape in shown for metric in scrape.values[name])
            columns = [(at, scrape.values[name]) for at, scrape in shown]
            lines += (
                make_series(
                    name, "rule", metric, tuple((at, values[metric]) for at, values in columns if metric in values)
                )
                for metric in metrics
            )
        return tuple(lines)

    def _answer_freshness(self, scrapes: Sequence[tuple[float, Scrape]]) -> tuple[SampleSeries, ...]:
        lines: list[SampleSeries] = []
        for name, shown in self._scrapes_by_component(scrapes):
            columns = [(at, at - scrape.at, self._present_signals(scrape.values[name])) for at, scrape in shown]
            ages = tuple((at, age) for at, age, _ in columns)
            always = frozenset.intersection(*(present for _, _, present in columns))
            lines += (
                make_series(
                    name,
                    "signal",
                    signal,
                    ages if signal in always else tuple((at, age) for at, age, present in columns if signal in present),
                )
                for signal in frozenset.union(*(present for _, _, present in columns))
            )
            lines.append(
                make_series(
                    name,
                    "signal",
                    COUNTER_MOVING,
                    tuple((at, float(scrape.counter_changes[name])) for at, scrape in shown),
                )
            )
        return tuple(lines)

    def _scrapes_by_component(
        self, scrapes: Sequence[tuple[float, Scrape]]
    ) -> Iterator[tuple[str, list[tuple[float, Scrape]]]]:
        """Yield each component with the instants and scrapes that have it."""
        for name in dict.fromkeys(name for _, scrape in scrapes for name in scrape.values):
            yield name, [(at, scrape) for at, scrape in scrapes if name in scrape.values]

    def _present_signals(self, values: Values) -> frozenset[str]:
        if values.keys() >= RECORDED_METRICS:
            return self.signals
        return self.signals - {METRIC_PREFIX + metric for metric in RECORDED_METRICS - values.keys()}


def is_below_prefilter(rule: MetricRule, value: float) -> bool:
    """Return whether the pre-filter omits the value: it is finite and does not breach the clear threshold."""
    return math.isfinite(value) and not rule.is_breached(value, rule.clear_threshold)


class RangeSeries(NamedTuple):
    """Duck type of a `SampleSeries` that is fast to build: there are thousands in an hour."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]

    def values_at(self, instants: Sequence[float], step: float) -> tuple[float | None, ...]:
        """Return what a `SampleSeries` with these points returns."""
        return SampleSeries.values_at(cast(SampleSeries, self), instants, step)


def make_series(name: str, label: str, label_value: str, points: tuple[tuple[float, float], ...]) -> SampleSeries:
    """Return one series of a component as Prometheus answers it."""
    return cast(SampleSeries, RangeSeries({COMPONENT_LABEL: name, label: label_value}, points))
