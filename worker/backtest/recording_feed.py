"""From a recording to the analysis inputs a live loop would have had: past samples only."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from activities.analyze.settings import AnalyzeSettings
from activities.model.baseline import Outlook, Usual
from activities.model.charter import Committee
from activities.model.grid_series import Series
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.topology import Topology
from activities.model.violation import Bad
from activities.monitor.adaptive import ENTER, LEAVE, PAST, Floor, Table, floor_of
from activities.monitor.builtin_rules import LIVENESS
from activities.monitor.call_edges import edges_of
from activities.monitor.rules import rules_of
from activities.settings import LoopSettings
from worker.backtest.forecast import Forecaster
from worker.backtest.recording import Head, Instant, MetricHead
from worker.backtest.rolling_history import Key, Past

LEAST = 6
"""Instants judged at least: twice the samples a deviation has to last."""
COMMITTEE = Committee(replicas=5, healthy_nodes=5, generation=1)
"""A recording tells nothing of Charter: it is taken to answer, and its committee to be healthy."""
_SIDES = {"high": Bad.ABOVE, "low": Bad.BELOW, "both": Bad.EITHER}


class Feed:
    """The analysis inputs of one recording, one for each instant it holds."""

    def __init__(self, head: Head, settings: LoopSettings) -> None:
        self.head = head
        self.step = head.step_seconds
        self.past = Past(self.step, grid_length(self.step, settings.analyze))
        self.rules = rules_for(head, settings)
        self._ruled = {rule.metric for rule in self.rules}
        self._adaptive = {rule.metric for rule in self.rules if rule.adaptive}
        self._seen: dict[str, int] = {}
        self._at = float("nan")
        train_end = head.train_end.timestamp() if head.train_end else None
        self._forecaster = Forecaster(self.step, train_end)

    def take(self, instant: Instant) -> AnalysisInput:
        """Return what is known at an instant; instants left out before it are gaps. Instants come oldest first."""
        for _ in range(self._missed(instant.at)):
            self.past.append({}, (), {})
        samples, odd = _told(instant)
        new = {*samples, *odd} - self.past.rows.keys()
        self.past.append(samples, odd, {key: self._floor(key[1]) for key in new if key[1] in self._adaptive})
        self._at = instant.at
        for component, _ in samples:
            self._seen[component] = self.past.count
        adaptive = {key: value for key, value in samples.items() if key[1] in self._adaptive}
        return self._input(self._forecaster.take(instant.at, adaptive))

    def _missed(self, at: float) -> int:
        missed = 0 if math.isnan(self._at) else round((at - self._at) / self.step) - 1
        return max(0, min(missed, PAST + self.past.instants))

    def _floor(self, metric: str) -> Floor:
        about = self.head.metrics.get(metric, MetricHead())
        return floor_of(about.unit, about.kind)

    def _input(self, outlooks: tuple[Outlook, ...]) -> AnalysisInput:
        length = min(self.past.instants, self.past.count)
        grid = tuple(self._at - self.step * back for back in reversed(range(length)))
        values, odd = self.past.values[:, -length:], self.past.odd[:, -length:]
        told = np.where(np.isnan(odd), values, np.inf)
        rows = {key: row for key, row in self.past.rows.items() if key[1] in self._ruled}
        return AnalysisInput(
            at=self._at,
            step=self.step,
            max_age=2.0 * self.step,
            grid=grid,
            components=tuple(sorted(self._seen)),
            rules=self.rules,
            series=tuple(
                Series(component=c, metric=m, values=line)
                for (c, m), line in zip(rows, _lines(told, rows.values()), strict=True)
            ),
            freshness=tuple(self._freshness(length)),
            committee=COMMITTEE,
            topology=Topology(edges=self.head.topology or edges_of(self._seen)),
            usual=self._usual(rows, length),
            outlooks=outlooks,
        )

    def _usual(self, rows: dict[Key, int], length: int) -> tuple[Usual, ...]:
        rows = {key: row for key, row in rows.items() if key[1] in self._adaptive}
        centres = _lines(self.past.centre[:, -length:], rows.values())
        spreads = _lines(self.past.spread[:, -length:], rows.values())
        return tuple(
            Usual(component=c, metric=m, centre=centre, spread=spread)
            for (c, m), centre, spread in zip(rows, centres, spreads, strict=True)
        )

    def _freshness(self, length: int) -> Iterator[Series]:
        """Yield the age of each component's last sample: any sample of it is its sign of life."""
        lines: dict[str, list[int]] = {}
        for (component, _), row in self.past.rows.items():
            lines.setdefault(component, []).append(row)
        for component, rows in lines.items():
            alive = np.isfinite(self.past.values[rows]).any(axis=0)
            last = np.maximum.accumulate(np.where(alive, np.arange(alive.size), -1))
            ages = np.where(last >= 0, (np.arange(alive.size) - last) * self.step, np.nan)[-length:]
            yield Series(component=component, metric=LIVENESS, values=_lines(ages[None, :], [0])[0])


def grid_length(step: float, settings: AnalyzeSettings) -> int:
    """Return how many instants are judged: the look-back of the analyzers, at least `LEAST`."""
    return max(LEAST, math.ceil(settings.lookback / step))


def rules_for(head: Head, settings: LoopSettings) -> tuple[MetricRule, ...]:
    """Return the rules for the metrics of a recording: hand-set ones where there are some, else adaptive ones.

    Their signals are left out: a recording has no exporter whose silence could be told from its samples.
    """
    hand_set = {rule.metric: rule for rule in rules_of(settings.monitor)}
    return tuple(
        hand_set[name].model_copy(update={"signals": (), "steady": False})
        if name in hand_set
        else MetricRule(metric=name, expr=name, enter=ENTER, leave=LEAVE, bad=_SIDES[about.bad], adaptive=True)
        for name, about in sorted(head.metrics.items())
    )


def _told(instant: Instant) -> tuple[dict[Key, float], set[Key]]:
    """Return the samples that can be read, and the series that cannot: not finite, or told twice and differently."""
    samples: dict[Key, float] = {}
    odd: set[Key] = set()
    for row in instant.rows:
        key = (row.component, row.metric)
        if not math.isfinite(row.value) or samples.get(key, row.value) != row.value:
            odd.add(key)
        samples[key] = row.value
    return {key: value for key, value in samples.items() if key not in odd}, odd


def _lines(table: Table, rows: Iterable[int]) -> list[list[float | None]]:
    """Return rows of a table with None for NaN."""
    picked = table[list(rows)]
    told = picked.astype(object)
    told[np.isnan(picked)] = None
    lines: list[list[float | None]] = told.tolist()
    return lines
