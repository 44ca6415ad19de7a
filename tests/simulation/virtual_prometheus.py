"""A virtual Prometheus: what it would answer to the loop's four queries, computed from the plant's own meters.

Every scrape keeps the value each rule has then, over the same window as the real expressions and recording rules.
Between scrapes a rule has its last value; a series that is missing in a scrape is gone at once, as by a stale marker.
"""

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from activities.clients.prometheus import timely
from activities.model.errors import Unreachable, Unreadable
from activities.model.rule import MetricRule
from activities.model.timeseries import Sample, SampleSeries
from activities.monitor.builtin_rules import PREFIX
from activities.monitor.queries import (
    COMPONENT,
    MOVING,
    all_signals,
    coverage_detail_queries,
    coverage_query,
    prefilter_query,
    steady_signals,
    values_queries,
)
from activities.monitor.settings import MonitorSettings
from deploy.simulator.component_metrics import Meter
from tests.simulation.meter_readings import Raw, Values, changes, raw_of, values_of

KEPT = 4200.0
"""Seconds of history: an hour, for a worker whose clock is wrong, and the look-back."""
LOOKBACK = 300.0
"""Seconds after which Prometheus no longer shows a sample."""
RECORDED = frozenset({"validation_latency_seconds", "failure_rate", "throughput_ops_per_sec"})
"""What recording rules make of a component's counters: absent as long as they make nothing of them."""


@dataclass
class Scrape:
    """What is known at one scrape: rule values by component, and how often each one's counters moved lately."""

    at: float
    values: dict[str, Values] = field(default_factory=dict)
    moving: dict[str, int] = field(default_factory=dict)
    prefilter: tuple[Sample, ...] | None = None


Ranged = Callable[[Sequence[tuple[float, Scrape]]], tuple[SampleSeries, ...]]


def whole(parts: Sequence[str], answer: Ranged) -> dict[str, Ranged]:
    """Let the first part of a query be answered with all of it, and the others with nothing: they are joined anyway."""
    return {part: answer if part is parts[0] else lambda _: () for part in parts}


class VirtualPrometheus:
    """Duck type of the Prometheus client. `trouble` is empty, `down`, `partial` or `frozen` (answers, scrapes no more).

    The answers belong to the rules given; any other query is refused. `clock` is its own, unix seconds.
    """

    def __init__(
        self, rules: Sequence[MetricRule], settings: MonitorSettings, components: int, clock: Callable[[], float]
    ) -> None:
        self.clock = clock
        self.rules, self.interval, self.window = rules, settings.scrape_interval, settings.rate_window
        self.ruled = frozenset(rule.metric for rule in rules)
        self.everything, self.steady = frozenset(all_signals(rules)), steady_signals(rules)
        self.scrapes: deque[Scrape] = deque()
        self.raw: dict[str, deque[Raw]] = {}
        self.trouble = ""
        self._answers = {
            prefilter_query(rules, self.window): self._prefilter,
            coverage_query(rules, 2 * self.interval): self._coverage,
        }
        self._ranges = {
            **whole(values_queries(rules, self.window, components), self._values),
            **whole(coverage_detail_queries(rules, 2 * self.interval, components), self._freshness),
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
            found.values[name] = {m: value for m, value in values_of(kept, meter, at).items() if m in self.ruled}
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

    async def query(self, promql: str, at: float, within: float | None = None) -> tuple[Sample, ...]:
        """Answer the pre-filter or the coverage query. Raises: Unreachable, Unreadable, Untimely."""
        self._check(at, within)
        scrape = self._at(at)
        return () if scrape is None else self._answers[promql](scrape, at)

    async def query_range(
        self, promql: str, start: float, end: float, step: float, within: float | None = None
    ) -> tuple[SampleSeries, ...]:
        """Answer the values or the freshness query. Raises: Unreachable, Unreadable, Untimely."""
        self._check(end, within)
        instants = [start + i * step for i in range(round((end - start) / step) + 1)]
        seen = [(at, scrape) for at in instants if (scrape := self._at(at)) is not None]
        return self._ranges[promql](seen)

    def _check(self, at: float, within: float | None) -> None:
        if self.trouble == "down":
            raise Unreachable("Prometheus: connection refused")
        if self.trouble == "partial":
            raise Unreadable("Prometheus warns of a partial answer")
        timely(at, within, float(int(self.clock())))

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
            Sample(
                labels={COMPONENT: name}, value=float(sum(map(self._present(values).__contains__, self.steady))), at=at
            )
            for name, values in scrape.values.items()
        ]
        still = [
            Sample(labels={COMPONENT: name, "signal": MOVING}, value=0.0, at=at)
            for name, changed in scrape.moving.items()
            if not changed
        ]
        return (*counted, *still)

    def _values(self, seen: Sequence[tuple[float, Scrape]]) -> tuple[SampleSeries, ...]:
        lines: list[SampleSeries] = []
        for name, shown in self._shown(seen):
            metrics = dict.fromkeys(metric for _, scrape in shown for metric in scrape.values[name])
            columns = [(at, scrape.values[name]) for at, scrape in shown]
            lines += (
                line(name, "rule", metric, tuple((at, values[metric]) for at, values in columns if metric in values))
                for metric in metrics
            )
        return tuple(lines)

    def _freshness(self, seen: Sequence[tuple[float, Scrape]]) -> tuple[SampleSeries, ...]:
        lines: list[SampleSeries] = []
        for name, shown in self._shown(seen):
            columns = [(at, at - scrape.at, self._present(scrape.values[name])) for at, scrape in shown]
            ages = tuple((at, age) for at, age, _ in columns)
            always = frozenset.intersection(*(present for _, _, present in columns))
            lines += (
                line(
                    name,
                    "signal",
                    signal,
                    ages if signal in always else tuple((at, age) for at, age, present in columns if signal in present),
                )
                for signal in frozenset.union(*(present for _, _, present in columns))
            )
            lines.append(line(name, "signal", MOVING, tuple((at, float(scrape.moving[name])) for at, scrape in shown)))
        return tuple(lines)

    def _shown(self, seen: Sequence[tuple[float, Scrape]]) -> Iterator[tuple[str, list[tuple[float, Scrape]]]]:
        """Yield each component with the instants and scrapes that show it."""
        for name in dict.fromkeys(name for _, scrape in seen for name in scrape.values):
            yield name, [(at, scrape) for at, scrape in seen if name in scrape.values]

    def _present(self, values: Values) -> frozenset[str]:
        if values.keys() >= RECORDED:
            return self.everything
        return self.everything - {PREFIX + metric for metric in RECORDED - values.keys()}


def within(rule: MetricRule, value: float) -> bool:
    """Tell whether the pre-filter leaves the value out: finite, and not beyond the nearer limit."""
    return math.isfinite(value) and not rule.beyond(value, rule.leave)


class Line(NamedTuple):
    """Duck type of a `SampleSeries`, of which there are thousands an hour."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


def line(name: str, label: str, what: str, points: tuple[tuple[float, float], ...]) -> SampleSeries:
    """Return one series of a component as Prometheus answers it."""
    return cast(SampleSeries, Line({COMPONENT: name, label: what}, points))
