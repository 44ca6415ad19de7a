"""Adaptive limits of a live loop: one version of them, computed from range data outside the cycle.

Centre and spread are those of a backtest for the next instant. A version is valid until the next one is computed.
During an incident it is kept longer, so that the incident does not become the baseline.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from activities.model.baseline import AdaptiveLimits, Baseline, BaselineLimit
from activities.model.rule import MetricRule
from activities.model.timeseries import SampleSeries
from activities.model.types import DAY_SECONDS, FloatArray, MetricKey
from activities.model.violation import BreachSide
from activities.monitor.baseline import (
    LEARNING_SAMPLES,
    SEASONAL_DAYS,
    compute_seasonal_baseline,
    spread_floor,
    time_of_day_level,
)
from activities.monitor.call_edges import call_edges
from activities.monitor.queries import component_of


@dataclass(frozen=True)
class TimeSpan:
    """Instants from `first` to `last`, both included and unix seconds, `step` seconds apart."""

    first: float
    last: float
    step: float

    def days_ago(self, days: int) -> "TimeSpan":
        """Return the same time of day on an earlier day, extended by one instant before it and two after it."""
        shift = days * DAY_SECONDS
        return TimeSpan(self.first - shift - self.step, self.last - shift + 2 * self.step, self.step)

    @property
    def count(self) -> int:
        """The number of instants."""
        return round((self.last - self.first) / self.step) + 1

    @property
    def instants(self) -> tuple[float, ...]:
        """The instants, unix seconds."""
        return tuple(self.first + index * self.step for index in range(self.count))


def learning_span(at: float, step: float) -> TimeSpan:
    """Return the `LEARNING_SAMPLES` multiples of `step` up to `at` (unix seconds)."""
    last = at // step * step
    return TimeSpan(last - (LEARNING_SAMPLES - 1) * step, last, step)


def is_refresh_due(
    current_limits: AdaptiveLimits | None, at: float, refresh_seconds: float, has_open_incident: bool
) -> bool:
    """Return whether a new version is due at `at` (unix seconds), `refresh_seconds` after the current one.

    During an incident the current version is kept for at least half the time it was learned from: long enough not to
    learn the incident, short enough for a level that has changed permanently.
    """
    if current_limits is None:
        return True
    age = at - current_limits.at
    return age >= (
        max(refresh_seconds, LEARNING_SAMPLES * current_limits.step / 2) if has_open_incident else refresh_seconds
    )


def keep_if_fresh(limits: AdaptiveLimits | None, at: float) -> AdaptiveLimits | None:
    """Return the limits, None if they are older than the past they were learned from."""
    return limits if limits is not None and at - limits.at <= LEARNING_SAMPLES * limits.step else None


def learn_limits(
    loop: str,
    span: TimeSpan,
    rules: Iterable[MetricRule],
    recent: Iterable[SampleSeries],
    earlier_days: Sequence[Iterable[SampleSeries]],
) -> AdaptiveLimits:
    """Return the limits for the instant after `span`.

    `recent` is the answer to `values_queries` over the span. `earlier_days` are those over `span.days_ago(1)`, `(2)`
    and so on. A series with too little past has no limit.
    """
    adaptive = {rule.metric: rule for rule in rules if rule.adaptive}
    lines = {key: line for key, line in _align_series(recent, span).items() if key[1] in adaptive}
    keys = sorted(lines)
    limits: tuple[BaselineLimit, ...] = ()
    if keys:
        floors = np.array([spread_floor(adaptive[metric].unit, adaptive[metric].kind) for _, metric in keys])
        history = np.vstack([lines[key] for key in keys])
        centres, spreads = compute_seasonal_baseline(history, _season_levels(keys, span, earlier_days), floors)
        limits = tuple(
            BaselineLimit(component=component, metric=metric, centre=float(centre), spread=float(spread))
            for (component, metric), centre, spread in zip(keys, centres, spreads, strict=True)
            if np.isfinite(centre) and np.isfinite(spread) and spread > 0
        )
    edges = call_edges(component for component, _ in keys)
    return AdaptiveLimits(loop=loop, at=span.last, step=span.step, limits=limits, edges=edges)


def broadcast_to_grid(limits: AdaptiveLimits | None, instant_count: int) -> tuple[Baseline, ...]:
    """Return the limits as baselines with the same centre and spread at each instant."""
    return tuple(
        Baseline(
            component=limit.component,
            metric=limit.metric,
            centre=(limit.centre,) * instant_count,
            spread=(limit.spread,) * instant_count,
        )
        for limit in (limits.limits if limits is not None else ())
    )


def limits_by_key(limits: AdaptiveLimits | None) -> Mapping[MetricKey, BaselineLimit]:
    """Return the limits by (component, metric)."""
    return {(limit.component, limit.metric): limit for limit in (limits.limits if limits is not None else ())}


def to_absolute_rule(rule: MetricRule, limit: BaselineLimit | None, value: float) -> MetricRule:
    """Return the adaptive rule with its limits in the metric's unit, on the side of `value`.

    Without a limit the threshold is infinite, so that no value breaches it.
    """
    if limit is None:
        return rule.model_copy(
            update={"adaptive": False, "threshold": math.inf, "clear_threshold": math.inf, "breach": BreachSide.ABOVE}
        )
    above = value >= limit.centre if rule.breach is BreachSide.EITHER else rule.breach is BreachSide.ABOVE
    sign = 1.0 if above else -1.0
    return rule.model_copy(
        update={
            "adaptive": False,
            "threshold": limit.centre + sign * rule.threshold * limit.spread,
            "clear_threshold": limit.centre + sign * rule.clear_threshold * limit.spread,
            "breach": BreachSide.ABOVE if above else BreachSide.BELOW,
        }
    )


def _season_levels(
    keys: Sequence[MetricKey], span: TimeSpan, earlier_days: Sequence[Iterable[SampleSeries]]
) -> FloatArray:
    """Return the level of the time of day at each instant of the span and at the next one, one row a key."""
    width = span.count + 1
    columns = []
    for days, answers in enumerate(earlier_days[:SEASONAL_DAYS], start=1):
        lines = _align_series(answers, span.days_ago(days))
        no_values = np.full(width + 2, np.nan)
        rows = np.vstack([lines.get(key, no_values) for key in keys])
        columns += [rows[:, offset : offset + width] for offset in range(3)]
    if not columns:
        return np.full((len(keys), width), np.nan)
    return time_of_day_level(np.stack(columns, axis=2).reshape(len(keys) * width, -1)).reshape(len(keys), width)


def _align_series(answers: Iterable[SampleSeries], span: TimeSpan) -> dict[MetricKey, FloatArray]:
    """Return the finite values on the instants of a span, without series that the answer holds twice."""
    lines: dict[MetricKey, FloatArray] = {}
    duplicates: set[MetricKey] = set()
    for answer in answers:
        key = (component_of(answer.labels), answer.labels.get("rule", ""))
        duplicates.update({key} & lines.keys())
        line = np.array(answer.values_at(span.instants, span.step), float)
        lines[key] = np.where(np.isfinite(line), line, np.nan)
    return {key: line for key, line in lines.items() if key not in duplicates}
