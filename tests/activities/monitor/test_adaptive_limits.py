"""Adaptive limits of a live loop."""

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.model.baseline import AdaptiveLimits, BaselineLimit
from activities.model.rule import MetricRule
from activities.model.timeseries import SampleSeries
from activities.model.types import DAY_SECONDS
from activities.model.violation import BreachSide
from activities.monitor.adaptive_limits import (
    TimeSpan,
    broadcast_to_grid,
    is_refresh_due,
    keep_if_fresh,
    learn_limits,
    learning_span,
    to_absolute_rule,
)
from activities.monitor.baseline import (
    CLEAR_THRESHOLD_SPREADS,
    LEARNING_SAMPLES,
    THRESHOLD_SPREADS,
    compute_deviations,
    spread_floor,
)
from activities.monitor.call_edges import call_edges, parse_call_edge
from worker.backtest.rolling_history import RollingHistory

STEP_SECONDS, NOW = 60.0, 1_700_000_000.0
RULE = MetricRule(
    metric="p99",
    expr="p99",
    threshold=THRESHOLD_SPREADS,
    clear_threshold=CLEAR_THRESHOLD_SPREADS,
    adaptive=True,
    unit="seconds",
    kind="latency",
)
finite_values = st.floats(-1e6, 1e6)


def make_series(span: TimeSpan, values: Iterable[float], component: str = "shop", metric: str = "p99") -> SampleSeries:
    """Return an answer of Prometheus with these values over the span."""
    points = tuple((span.first + i * span.step, value) for i, value in enumerate(values))
    return SampleSeries(labels={"node_or_service": component, "rule": metric}, points=points)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), gaps=st.sets(st.integers(0, LEARNING_SAMPLES - 1), max_size=LEARNING_SAMPLES - 20))
def test_live_limits_equal_those_of_a_backtest(seed: int, gaps: set[int]) -> None:
    """Equal samples with equal gaps give equal centre and spread."""
    values = np.random.default_rng(seed).gamma(2.0, 0.3, LEARNING_SAMPLES)
    span = learning_span(NOW, STEP_SECONDS)
    answer = make_series(span, [math.nan if i in gaps else float(x) for i, x in enumerate(values)])
    (limit,) = learn_limits("charter", span, [RULE], [answer], []).limits
    history, key = RollingHistory(STEP_SECONDS, 1), ("shop", "p99")
    for i, value in enumerate([*values, 0.0]):
        samples = {} if i in gaps else {key: float(value)}
        history.append(samples, (), {key: spread_floor("seconds", "latency")})
    assert (limit.centre, limit.spread) == (history.centre[0, -1], history.spread[0, -1])


def test_limits_follow_a_daily_rhythm() -> None:
    """With enough days the centre is the level of the time of day, and the spread is smaller."""
    span = learning_span(NOW, STEP_SECONDS)

    def level(at: float) -> float:
        return 10.0 + 5.0 * math.sin(2.0 * math.pi * at / DAY_SECONDS)

    def values(days_span: TimeSpan) -> list[float]:
        return [level(at) for at in days_span.instants]

    earlier = [[make_series(span.days_ago(day), values(span.days_ago(day)))] for day in range(1, 8)]
    (plain,) = learn_limits("charter", span, [RULE], [make_series(span, values(span))], []).limits
    (daily,) = learn_limits("charter", span, [RULE], [make_series(span, values(span))], earlier).limits
    assert daily.centre == pytest.approx(level(span.last + STEP_SECONDS), abs=0.01)
    assert daily.spread < plain.spread


def test_doubtful_series_have_no_limit() -> None:
    """A series with fewer than 15 samples, in the answer twice, or without an adaptive rule has no limit."""
    span = learning_span(NOW, STEP_SECONDS)
    too_short = make_series(span, [math.nan] * (LEARNING_SAMPLES - 14) + [1.0] * 14)
    duplicate = make_series(span, [1.0] * LEARNING_SAMPLES, "twice")
    hand_set = make_series(span, [1.0] * LEARNING_SAMPLES, metric="failure_rate")
    learned = learn_limits(
        "charter",
        span,
        [RULE, MetricRule(metric="failure_rate", expr="f", threshold=1, clear_threshold=1)],
        [too_short, duplicate, duplicate, hand_set],
        [],
    )
    assert learned.limits == ()


@pytest.mark.parametrize(
    ("age", "has_incident", "expected"),
    [(299.0, False, False), (300.0, False, True), (300.0, True, False), (3600.0, True, True)],
)
def test_refresh_is_later_during_an_incident(age: float, has_incident: bool, expected: bool) -> None:
    """A version is refreshed by its age; during an incident only after half the time it was learned from."""
    assert (
        is_refresh_due(AdaptiveLimits(loop="charter", at=NOW - age, step=STEP_SECONDS), NOW, 300.0, has_incident)
        is expected
    )
    assert is_refresh_due(None, NOW, 300.0, has_incident)


def test_old_limits_are_ignored() -> None:
    """Limits older than the past they were learned from are ignored."""
    limits = AdaptiveLimits(loop="charter", at=NOW, step=STEP_SECONDS)
    assert keep_if_fresh(limits, NOW + LEARNING_SAMPLES * STEP_SECONDS) is limits
    assert keep_if_fresh(limits, NOW + LEARNING_SAMPLES * STEP_SECONDS + 1) is None
    assert keep_if_fresh(None, NOW) is None


@given(value=finite_values, centre=finite_values, spread=st.floats(1e-3, 1e6), breach=st.sampled_from(BreachSide))
def test_absolute_limits_agree_with_deviations(value: float, centre: float, spread: float, breach: BreachSide) -> None:
    """A value beyond the absolute limit deviates by more than the threshold, except for rounding."""
    (deviation,) = compute_deviations([value], [centre], [spread], breach)
    assert deviation is not None
    rule = to_absolute_rule(
        RULE.model_copy(update={"breach": breach}),
        BaselineLimit(component="c", metric="p99", centre=centre, spread=spread),
        value,
    )
    for limit, spreads in ((rule.threshold, THRESHOLD_SPREADS), (rule.clear_threshold, CLEAR_THRESHOLD_SPREADS)):
        if abs(deviation - spreads) > 1e-6 * (1 + abs(centre) / spread):
            assert rule.is_breached(value, limit) is (deviation > spreads)


def test_rule_without_a_limit_is_never_breached() -> None:
    """A rule without a limit has an infinite threshold."""
    rule = to_absolute_rule(RULE, None, 1e300)
    assert not rule.is_breached(1e300, rule.clear_threshold)
    assert broadcast_to_grid(None, 3) == ()


@pytest.mark.parametrize(
    ("name", "expected"), [("a->b", ("a", "b")), ("a", None), ("->", None), ("a->", None), ("a->b->c", ("a", "b->c"))]
)
def test_call_edge_name_is_parsed(name: str, expected: tuple[str, str] | None) -> None:
    """A call edge needs a caller and a callee."""
    assert parse_call_edge(name) == expected


def test_call_edges_give_the_topology() -> None:
    """Callers and callees are learned from the call edges."""
    assert call_edges(["shop", "shop->stock", "front->shop", "->"]) == (("front", "shop"), ("shop", "stock"))
