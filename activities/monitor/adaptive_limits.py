"""Adaptive limits for a live loop: one version of them, made from range data off the idle path.

The same centre and spread as in a backtest, as of the next instant. A version stands until the next one is made; while
a trouble is open it is kept longer, so that the trouble does not become what is usual.
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
        """Return the same time of day on an earlier day, with one instant more before it and two after it."""
        back = days * DAY_SECONDS
        return TimeSpan(self.first - back - self.step, self.last - back + 2 * self.step, self.step)

    @property
    def count(self) -> int:
        """The number of instants."""
        return round((self.last - self.first) / self.step) + 1

    @property
    def instants(self) -> tuple[float, ...]:
        """The instants, unix seconds."""
        return tuple(self.first + index * self.step for index in range(self.count))


def learning_span(at: float, step: float) -> TimeSpan:
    """Return the `PAST` multiples of `step` up to `at` (unix seconds) that limits are learned from."""
    last = at // step * step
    return TimeSpan(last - (LEARNING_SAMPLES - 1) * step, last, step)


def is_refresh_due(
    current_limits: AdaptiveLimits | None, at: float, refresh_seconds: float, has_open_incident: bool
) -> bool:
    """Tell whether a new version is to be made at `at`; `refresh` is seconds between versions in quiet times.

    While a trouble is open the standing version is kept for half the time it was learned from: long enough not to learn
    the trouble, short enough for a level that has changed for good.
    """
    if current_limits is None:
        return True
    age = at - current_limits.at
    return age >= (
        max(refresh_seconds, LEARNING_SAMPLES * current_limits.step / 2) if has_open_incident else refresh_seconds
    )


def keep_if_fresh(limits: AdaptiveLimits | None, at: float) -> AdaptiveLimits | None:
    """Return the limits unless they are older than the past they were learned from: those say nothing about now."""
    return limits if limits is not None and at - limits.at <= LEARNING_SAMPLES * limits.step else None


def learn_limits(
    loop: str,
    span: TimeSpan,
    rules: Iterable[MetricRule],
    recent: Iterable[SampleSeries],
    earlier_days: Sequence[Iterable[SampleSeries]],
) -> AdaptiveLimits:
    """Return the limits as of the instant after `span`.

    `recent` is the answer to `values_queries` over the span, `days` those over `span.days_ago(1)`, `(2)` and so on. A
    series with too little past has no limit.
    """
    adaptive = {rule.metric: rule for rule in rules if rule.adaptive}
    lines = {key: line for key, line in _align_series(recent, span).items() if key[1] in adaptive}
    keys = sorted(lines)
    limits: tuple[BaselineLimit, ...] = ()
    if keys:
        floors = np.array([spread_floor(adaptive[metric].unit, adaptive[metric].kind) for _, metric in keys])
        past = np.vstack([lines[key] for key in keys])
        centre, spread = compute_seasonal_baseline(past, _season_levels(keys, span, earlier_days), floors)
        limits = tuple(
            BaselineLimit(component=component, metric=metric, centre=float(middle), spread=float(width))
            for (component, metric), middle, width in zip(keys, centre, spread, strict=True)
            if np.isfinite(middle) and np.isfinite(width) and width > 0
        )
    edges = call_edges(component for component, _ in keys)
    return AdaptiveLimits(loop=loop, at=span.last, step=span.step, limits=limits, edges=edges)


def broadcast_to_grid(limits: AdaptiveLimits | None, instant_count: int) -> tuple[Baseline, ...]:
    """Return the limits as what is usual at each of so many instants."""
    return tuple(
        Baseline(
            component=one.component,
            metric=one.metric,
            centre=(one.centre,) * instant_count,
            spread=(one.spread,) * instant_count,
        )
        for one in (limits.limits if limits is not None else ())
    )


def limits_by_key(limits: AdaptiveLimits | None) -> Mapping[MetricKey, BaselineLimit]:
    """Return the limits by (component, metric)."""
    return {(one.component, one.metric): one for one in (limits.limits if limits is not None else ())}


def to_absolute_rule(rule: MetricRule, limit: BaselineLimit | None, value: float) -> MetricRule:
    """Return the adaptive rule with its limits in the metric's unit, on the side `value` is on.

    Without a limit nothing is beyond it: what is not known to be unusual is not called so.
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
    """Return the level of the time of day at each instant of the span and the next one, a row a key."""
    width = span.count + 1
    columns = []
    for back, answers in enumerate(earlier_days[:SEASONAL_DAYS], start=1):
        lines = _align_series(answers, span.days_ago(back))
        nothing = np.full(width + 2, np.nan)
        rows = np.vstack([lines.get(key, nothing) for key in keys])
        columns += [rows[:, near : near + width] for near in range(3)]
    if not columns:
        return np.full((len(keys), width), np.nan)
    return time_of_day_level(np.stack(columns, axis=2).reshape(len(keys) * width, -1)).reshape(len(keys), width)


def _align_series(answers: Iterable[SampleSeries], span: TimeSpan) -> dict[MetricKey, FloatArray]:
    """Return the finite values on the instants of a span; of a series told twice nothing is learned."""
    found: dict[MetricKey, FloatArray] = {}
    doubled: set[MetricKey] = set()
    for answer in answers:
        key = (component_of(answer.labels), answer.labels.get("rule", ""))
        doubled.update({key} & found.keys())
        line = np.array(answer.values_at(span.instants, span.step), float)
        found[key] = np.where(np.isfinite(line), line, np.nan)
    return {key: line for key, line in found.items() if key not in doubled}
