"""A virtual Prometheus: what it would answer to the loop's four queries, computed from the plant's own meters.

Every scrape keeps the value each rule has then, over the same window as the real expressions and recording rules.
Between scrapes a rule has its last value; a series that is missing in a scrape is gone at once, as by a stale marker.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from activities.model.errors import Unreachable, Unreadable
from activities.model.rule import MetricRule
from activities.model.sample import Sample, SampleSeries
from activities.monitor.builtin import PREFIX
from activities.monitor.queries import (
    COMPONENT,
    MOVING,
    all_signals,
    coverage_detail_query,
    coverage_query,
    prefilter_query,
    steady_signals,
    values_query,
)
from activities.monitor.settings import MonitorSettings
from deploy.charter.meters import Histogram, Meter

KEPT = 4200.0
"""Seconds of history: an hour, for a worker whose clock is wrong, and the look-back."""
LOOKBACK = 300.0
"""Seconds after which Prometheus no longer shows a sample."""
LATENCY = "metric_validation_latency_ns"
RATES = (
    "forbidden_metric_attempts_total",
    "data_revocation_events_total",
    "audit_committee_notifications_total",
    "investigation_initiated_total",
    "emergency_override_total",
)
QUANTILES = (
    LATENCY,
    "policy_load_duration_ms",
    "violation_report_latency_ms",
    "committee_notification_latency_ms",
    "data_revocation_latency_ms",
)

Values = dict[str, float]


@dataclass(frozen=True)
class Raw:
    """One scrape of one component: its counters summed by name, histograms as (count, total, counts by bucket)."""

    at: float
    counters: Values
    histograms: Mapping[str, tuple[float, float, tuple[float, ...]]]


@dataclass
class Scrape:
    """What is known at one scrape: rule values by component, and how often each one's counters moved lately."""

    at: float
    values: dict[str, Values] = field(default_factory=dict)
    moving: dict[str, int] = field(default_factory=dict)
    prefilter: tuple[Sample, ...] | None = None


class VirtualPrometheus:
    """Duck type of the Prometheus client. `trouble` is empty, `down`, `partial` or `frozen` (answers, scrapes no more).

    The answers belong to the rules given; any other query is refused.
    """

    def __init__(self, rules: Sequence[MetricRule], settings: MonitorSettings) -> None:
        self.rules, self.interval, self.window = rules, settings.scrape_interval, settings.rate_window
        self.signals, self.steady = all_signals(rules), steady_signals(rules)
        self.scrapes: deque[Scrape] = deque()
        self.raw: dict[str, deque[Raw]] = {}
        self.trouble = ""
        self._answers = {
            prefilter_query(rules, self.window): self._prefilter,
            coverage_query(rules, 2 * self.interval): self._coverage,
        }
        self._ranges = {
            values_query(rules, self.window): self._values,
            coverage_detail_query(rules, 2 * self.interval): self._freshness,
        }

    def scrape(self, at: float, exports: Mapping[str, tuple[Meter, bool]]) -> None:
        """Take one scrape of every exporter that answers."""
        if self.trouble == "frozen":
            return
        found = Scrape(at)
        for name, (meter, lying) in exports.items():
            kept = self.raw.setdefault(name, deque())
            kept.append(raw_of(at, meter, lying))
            while kept[0].at <= at - self.window:
                kept.popleft()
            found.values[name] = self._judged(kept, meter, at)
            found.moving[name] = changes([raw for raw in kept if raw.at > at - 3 * self.interval])
        for gone in set(self.raw) - set(exports):
            del self.raw[gone]
        self._keep(found)

    def repeat(self, at: float) -> None:
        """Take one scrape that shows what the last one showed."""
        last = self.scrapes[-1]
        self._keep(Scrape(at, last.values, last.moving, last.prefilter))

    def wake(self, seconds: float) -> None:
        """Move the windows of counters along with a plant that stood still for so long."""
        for name, kept in self.raw.items():
            self.raw[name] = deque(Raw(raw.at + seconds, raw.counters, raw.histograms) for raw in kept)

    async def query(self, promql: str, at: float) -> tuple[Sample, ...]:
        """Answer the pre-filter or the coverage query. Raises: Unreachable, Unreadable."""
        self._check()
        scrape = self._at(at)
        return () if scrape is None else self._answers[promql](scrape, at)

    async def query_range(self, promql: str, start: float, end: float, step: float) -> tuple[SampleSeries, ...]:
        """Answer the values or the freshness query. Raises: Unreachable, Unreadable."""
        self._check()
        instants = [start + i * step for i in range(round((end - start) / step) + 1)]
        seen = [(at, scrape) for at in instants if (scrape := self._at(at)) is not None]
        return self._ranges[promql](seen)

    def _check(self) -> None:
        if self.trouble == "down":
            raise Unreachable("Prometheus: connection refused")
        if self.trouble == "partial":
            raise Unreadable("Prometheus warns of a partial answer")

    def _keep(self, scrape: Scrape) -> None:
        self.scrapes.append(scrape)
        while self.scrapes[0].at < scrape.at - KEPT:
            self.scrapes.popleft()

    def _at(self, at: float) -> Scrape | None:
        index = len(self.scrapes) - 1
        if not self.scrapes or self.scrapes[-1].at > at:
            index = bisect_right([scrape.at for scrape in self.scrapes], at) - 1
        if index < 0 or at - self.scrapes[index].at > LOOKBACK:
            return None
        return self.scrapes[index]

    def _judged(self, kept: Sequence[Raw], meter: Meter, at: float) -> Values:
        first, last = kept[0], kept[-1]
        values = {
            "violations_under_investigation": summed(meter, "violations_under_investigation"),
            "audit_committee_size": summed(meter, "audit_committee_size"),
            "committee_size": summed(meter, "audit_committee_size"),
            "policy_last_load_timestamp": at - summed(meter, "policy_last_load_timestamp"),
        }
        span = last.at - first.at
        if span <= 0:
            return values
        for name in (*RATES, "violations_critical"):
            values[name] = (last.counters[name] - first.counters[name]) / span
        values["violations_total"] = values.pop("violations_critical")
        for name in QUANTILES:
            value = p99(first.histograms[name], last.histograms[name], meter.histograms[name])
            if value is not None:
                values[name] = value
        count, total = (last.histograms[LATENCY][i] - first.histograms[LATENCY][i] for i in (0, 1))
        values["throughput_ops_per_sec"] = count / span
        if count > 0:
            values["validation_latency_seconds"] = total / count / 1e9
            values["failure_rate"] = (last.counters["violations"] - first.counters["violations"]) / count
        return values

    def _prefilter(self, scrape: Scrape, at: float) -> tuple[Sample, ...]:
        if scrape.prefilter is None:
            scrape.prefilter = tuple(
                Sample(labels={COMPONENT: name, "rule": rule.metric}, value=values[rule.metric], at=at)
                for name, values in scrape.values.items()
                for rule in self.rules
                if rule.metric in values and not within(rule, values[rule.metric])
            )
        return scrape.prefilter

    def _coverage(self, scrape: Scrape, at: float) -> tuple[Sample, ...]:
        age = at - scrape.at
        if age > 2 * self.interval:
            return tuple(
                Sample(labels={COMPONENT: name, "signal": signal}, value=age, at=at)
                for name, values in scrape.values.items()
                for signal in self._present(values)
            )
        counted = [
            Sample(labels={COMPONENT: name}, value=float(sum(map(self._present(values).__contains__, self.steady))), at=at)
            for name, values in scrape.values.items()
        ]
        still = [
            Sample(labels={COMPONENT: name, "signal": MOVING}, value=0.0, at=at)
            for name, changed in scrape.moving.items()
            if not changed
        ]
        return (*counted, *still)

    def _values(self, seen: Sequence[tuple[float, Scrape]]) -> tuple[SampleSeries, ...]:
        points: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for at, scrape in seen:
            for name, values in scrape.values.items():
                for metric, value in values.items():
                    points.setdefault((name, metric), []).append((at, value))
        return series(points, "rule")

    def _freshness(self, seen: Sequence[tuple[float, Scrape]]) -> tuple[SampleSeries, ...]:
        points: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for at, scrape in seen:
            for name, values in scrape.values.items():
                for signal in self._present(values):
                    points.setdefault((name, signal), []).append((at, at - scrape.at))
                points.setdefault((name, MOVING), []).append((at, float(scrape.moving[name])))
        return series(points, "signal")

    def _present(self, values: Values) -> frozenset[str]:
        recorded = {"validation_latency_seconds", "failure_rate", "throughput_ops_per_sec"}
        absent = {PREFIX + metric for metric in recorded if metric not in values}
        return frozenset(self.signals) - absent


def raw_of(at: float, meter: Meter, lying: bool) -> Raw:
    """Return one scrape of a component; one that lies shows NaN as the sums of its histograms."""
    totals = {name: summed(meter, name) for name in RATES}
    totals["violations"] = summed(meter, "violations_total")
    totals["violations_critical"] = sum(
        value for (name, labels), value in meter.values.items() if name == "violations_total" and "critical" in labels
    )
    histograms = {
        name: (found.count, math.nan if lying else found.total, tuple(found.at_most))
        for name, found in meter.histograms.items()
    }
    return Raw(at, totals, histograms)


def summed(meter: Meter, metric: str) -> float:
    """Return the sum over a metric's series."""
    return sum(value for (name, _), value in meter.values.items() if name == metric)


def changes(kept: Sequence[Raw]) -> int:
    """Return how often the validation counter changed."""
    counts = [math.floor(raw.histograms[LATENCY][0]) for raw in kept]
    return sum(a != b for a, b in zip(counts, counts[1:], strict=False))


def p99(
    first: tuple[float, float, tuple[float, ...]], last: tuple[float, float, tuple[float, ...]], shape: Histogram
) -> float | None:
    """Return the 99 % quantile of what was added in between, NaN if the sum is, None if nothing was added."""
    count = last[0] - first[0]
    if count <= 0:
        return None
    if math.isnan(last[1] - first[1]):
        return math.nan
    rank, below, low = 0.99 * count, 0.0, 0.0
    for bound, now, then in zip(shape.bounds, last[2], first[2], strict=True):
        at_most = now - then
        if at_most >= rank:
            return low + (bound - low) * (rank - below) / (at_most - below)
        below, low = at_most, bound
    return float(shape.bounds[-1])


def within(rule: MetricRule, value: float) -> bool:
    """Tell whether the pre-filter leaves the value out: finite, and not beyond the nearer limit."""
    return math.isfinite(value) and not rule.beyond(value, rule.leave)


def series(points: Mapping[tuple[str, str], list[tuple[float, float]]], label: str) -> tuple[SampleSeries, ...]:
    """Return the points as Prometheus answers them."""
    return tuple(
        SampleSeries.model_construct(labels={COMPONENT: name, label: what}, points=tuple(line))
        for (name, what), line in points.items()
    )


