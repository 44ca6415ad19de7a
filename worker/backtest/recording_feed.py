"""Convert a recording into the analysis inputs of a live loop, from past samples only."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from activities.analyze.settings import AnalyzeSettings
from activities.model.baseline import Baseline
from activities.model.charter import Committee
from activities.model.rule import MetricRule
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import Series
from activities.model.topology import Topology
from activities.model.types import FloatArray, MetricKey
from activities.model.violation import BreachSide
from activities.monitor.baseline import (
    CLEAR_THRESHOLD_SPREADS,
    LEARNING_SAMPLES,
    THRESHOLD_SPREADS,
    SpreadFloor,
    spread_floor,
)
from activities.monitor.call_edges import call_edges
from activities.monitor.metric_names import LIVENESS_COUNTER
from activities.monitor.rules import build_rules
from activities.settings import LoopSettings
from worker.backtest.forecast import Forecast, Forecaster
from worker.backtest.recording import MetricHeader, RecordedInstant, RecordingHeader
from worker.backtest.rolling_history import RollingHistory

MIN_INSTANTS = 6
"""Minimum number of analysed instants: twice the samples of a deviation."""
ASSUMED_COMMITTEE = Committee(replicas=5, healthy_nodes=5, generation=1)
"""A recording has no state of Charter, so Charter is assumed to answer with a healthy committee."""
_BREACH_SIDES = {"high": BreachSide.ABOVE, "low": BreachSide.BELOW, "both": BreachSide.EITHER}


class RecordingFeed:
    """The analysis inputs of one recording, one for each instant; `forecasts` are those of the last instant."""

    def __init__(self, header: RecordingHeader, settings: LoopSettings) -> None:
        self.header = header
        self.step = header.step_seconds
        self.history = RollingHistory(self.step, grid_length(self.step, settings.analyze))
        self.rules = build_recording_rules(header, settings)
        self._rule_metrics = {rule.metric for rule in self.rules}
        self._adaptive_metrics = {rule.metric for rule in self.rules if rule.adaptive}
        self._last_sample_counts: dict[str, int] = {}
        self._at = float("nan")
        train_end = header.train_end.timestamp() if header.train_end else None
        self.forecasts: tuple[Forecast, ...] = ()
        self._forecaster = Forecaster(self.step, train_end)

    def advance(self, instant: RecordedInstant) -> AnalysisInput:
        """Return the analysis input at an instant. Skipped instants are gaps; instants must come oldest first."""
        for _ in range(self._missed_instants(instant.at)):
            self.history.append({}, (), {})
        samples, untrusted = _split_samples(instant)
        new = {*samples, *untrusted} - self.history.rows.keys()
        self.history.append(
            samples, untrusted, {key: self._spread_floor(key[1]) for key in new if key[1] in self._adaptive_metrics}
        )
        self._at = instant.at
        for component, _ in samples:
            self._last_sample_counts[component] = self.history.count
        adaptive = {key: value for key, value in samples.items() if key[1] in self._adaptive_metrics}
        self.forecasts = self._forecaster.advance(instant.at, adaptive)
        return self._build_input()

    def _missed_instants(self, at: float) -> int:
        missed = 0 if math.isnan(self._at) else round((at - self._at) / self.step) - 1
        return max(0, min(missed, LEARNING_SAMPLES + self.history.instants))

    def _spread_floor(self, metric: str) -> SpreadFloor:
        header = self.header.metrics.get(metric, MetricHeader())
        return spread_floor(header.unit, header.kind)

    def _build_input(self) -> AnalysisInput:
        length = min(self.history.instants, self.history.count)
        grid = tuple(self._at - self.step * back for back in reversed(range(length)))
        values, untrusted = self.history.values[:, -length:], self.history.untrusted[:, -length:]
        trusted = np.where(np.isnan(untrusted), values, np.inf)
        rows = {key: row for key, row in self.history.rows.items() if key[1] in self._rule_metrics}
        return AnalysisInput(
            at=self._at,
            step=self.step,
            max_age=2.0 * self.step,
            grid=grid,
            components=tuple(sorted(self._last_sample_counts)),
            rules=self.rules,
            series=tuple(
                Series(component=c, metric=m, values=line)
                for (c, m), line in zip(rows, _table_rows(trusted, rows.values()), strict=True)
            ),
            freshness=tuple(self._build_freshness(length)),
            committee=ASSUMED_COMMITTEE,
            topology=Topology(edges=self.header.topology or call_edges(self._last_sample_counts)),
            baselines=self._build_baselines(rows, length),
        )

    def _build_baselines(self, rows: dict[MetricKey, int], length: int) -> tuple[Baseline, ...]:
        rows = {key: row for key, row in rows.items() if key[1] in self._adaptive_metrics}
        centres = _table_rows(self.history.centre[:, -length:], rows.values())
        spreads = _table_rows(self.history.spread[:, -length:], rows.values())
        return tuple(
            Baseline(component=c, metric=m, centre=centre, spread=spread)
            for (c, m), centre, spread in zip(rows, centres, spreads, strict=True)
        )

    def _build_freshness(self, length: int) -> Iterator[Series]:
        """Yield the age of each component's last sample of any metric."""
        lines: dict[str, list[int]] = {}
        for (component, _), row in self.history.rows.items():
            lines.setdefault(component, []).append(row)
        for component, rows in lines.items():
            alive = np.isfinite(self.history.values[rows]).any(axis=0)
            last = np.maximum.accumulate(np.where(alive, np.arange(alive.size), -1))
            ages = np.where(last >= 0, (np.arange(alive.size) - last) * self.step, np.nan)[-length:]
            yield Series(component=component, metric=LIVENESS_COUNTER, values=_table_rows(ages[None, :], [0])[0])


def grid_length(step: float, settings: AnalyzeSettings) -> int:
    """Return the number of analysed instants: the analyzers' look-back, at least `MIN_INSTANTS`."""
    return max(MIN_INSTANTS, math.ceil(settings.lookback / step))


def build_recording_rules(header: RecordingHeader, settings: LoopSettings) -> tuple[MetricRule, ...]:
    """Return the rules for the metrics of a recording: configured ones where they exist, else adaptive ones.

    They have no signals: samples alone do not show whether an exporter was silent.
    """
    configured = {rule.metric: rule for rule in build_rules(settings.monitor)}
    return tuple(
        configured[name].model_copy(update={"signals": (), "always_present": False})
        if name in configured
        else MetricRule(
            metric=name,
            expr=name,
            threshold=THRESHOLD_SPREADS,
            clear_threshold=CLEAR_THRESHOLD_SPREADS,
            breach=_BREACH_SIDES[metric.bad],
            adaptive=True,
        )
        for name, metric in sorted(header.metrics.items())
    )


def _split_samples(instant: RecordedInstant) -> tuple[dict[MetricKey, float], set[MetricKey]]:
    """Return the usable samples, and the series with unusable ones: not finite, or two different values."""
    samples: dict[MetricKey, float] = {}
    untrusted: set[MetricKey] = set()
    for row in instant.samples:
        key = (row.component, row.metric)
        if not math.isfinite(row.value) or samples.get(key, row.value) != row.value:
            untrusted.add(key)
        samples[key] = row.value
    return {key: value for key, value in samples.items() if key not in untrusted}, untrusted


def _table_rows(table: FloatArray, rows: Iterable[int]) -> list[list[float | None]]:
    """Return rows of a table with None for NaN."""
    picked = table[list(rows)]
    cells = picked.astype(object)
    cells[np.isnan(picked)] = None
    lines: list[list[float | None]] = cells.tolist()
    return lines
