"""Adaptive limits of a live loop."""

import math

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
numbers = st.floats(-1e6, 1e6)


def make_series(span, values, component="shop", metric="p99"):
    """Return an answer of Prometheus with these values over the span."""
    points = tuple((span.first + i * span.step, value) for i, value in enumerate(values))
    return SampleSeries(labels={"node_or_service": component, "rule": metric}, points=points)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), gaps=st.sets(st.integers(0, LEARNING_SAMPLES - 1), max_size=LEARNING_SAMPLES - 20))
def test_a_live_loop_learns_what_a_backtest_learns(seed, gaps):
    """The same samples, with the same gaps, give the same centre and spread."""
    values = np.random.default_rng(seed).gamma(2.0, 0.3, LEARNING_SAMPLES)
    span = learning_span(NOW, STEP_SECONDS)
    answer = make_series(span, [math.nan if i in gaps else float(x) for i, x in enumerate(values)])
    (limit,) = learn_limits("charter", span, [RULE], [answer], []).limits
    past, key = RollingHistory(STEP_SECONDS, 1), ("shop", "p99")
    for i, value in enumerate([*values, 0.0]):
        samples = {} if i in gaps else {key: float(value)}
        past.append(samples, (), {key: spread_floor("seconds", "latency")})
    assert (limit.centre, limit.spread) == (past.centre[0, -1], past.spread[0, -1])


def test_a_daily_rhythm_is_followed():
    """With enough days the limit is around the level of that time of day, and narrower."""
    span = learning_span(NOW, STEP_SECONDS)

    def level(at):
        return 10.0 + 5.0 * math.sin(2.0 * math.pi * at / DAY_SECONDS)

    def over(one):
        return [level(one.first + i * one.step) for i in range(one.count)]

    days = [[make_series(span.days_ago(back), over(span.days_ago(back)))] for back in range(1, 8)]
    (plain,) = learn_limits("charter", span, [RULE], [make_series(span, over(span))], []).limits
    (daily,) = learn_limits("charter", span, [RULE], [make_series(span, over(span))], days).limits
    assert daily.centre == pytest.approx(level(span.last + STEP_SECONDS), abs=0.01)
    assert daily.spread < plain.spread


def test_nothing_is_learned_from_too_little_or_from_doubt():
    """Fewer than 15 samples, a series told twice, or one without an adaptive rule have no limit."""
    span = learning_span(NOW, STEP_SECONDS)
    short = make_series(span, [math.nan] * (LEARNING_SAMPLES - 14) + [1.0] * 14)
    whole = make_series(span, [1.0] * LEARNING_SAMPLES, "twice")
    hand_set = make_series(span, [1.0] * LEARNING_SAMPLES, metric="failure_rate")
    found = learn_limits(
        "charter",
        span,
        [RULE, MetricRule(metric="failure_rate", expr="f", threshold=1, clear_threshold=1)],
        [short, whole, whole, hand_set],
        [],
    )
    assert found.limits == ()


@pytest.mark.parametrize(
    ("age", "troubled", "expected"),
    [(299.0, False, False), (300.0, False, True), (300.0, True, False), (3600.0, True, True)],
)
def test_a_trouble_keeps_the_version_that_does_not_know_it(age, troubled, expected):
    """A version is renewed by the clock; while an incident is open only after half the time it was learned from."""
    assert (
        is_refresh_due(AdaptiveLimits(loop="charter", at=NOW - age, step=STEP_SECONDS), NOW, 300.0, troubled)
        is expected
    )
    assert is_refresh_due(None, NOW, 300.0, troubled)


def test_old_limits_are_not_believed():
    """Limits older than their own past say nothing."""
    limits = AdaptiveLimits(loop="charter", at=NOW, step=STEP_SECONDS)
    assert keep_if_fresh(limits, NOW + LEARNING_SAMPLES * STEP_SECONDS) is limits
    assert keep_if_fresh(limits, NOW + LEARNING_SAMPLES * STEP_SECONDS + 1) is None
    assert keep_if_fresh(None, NOW) is None


@given(value=numbers, centre=numbers, spread=st.floats(1e-3, 1e6), bad=st.sampled_from(BreachSide))
def test_the_quick_check_judges_as_the_judgement(value, centre, spread, bad):
    """Beyond the limit in the metric's unit is beyond it in spreads, but for the last digits."""
    away = compute_deviations([value], [centre], [spread], bad)[0]
    rule = to_absolute_rule(
        RULE.model_copy(update={"breach": bad}),
        BaselineLimit(component="c", metric="p99", centre=centre, spread=spread),
        value,
    )
    for limit, number in ((rule.threshold, THRESHOLD_SPREADS), (rule.clear_threshold, CLEAR_THRESHOLD_SPREADS)):
        if abs(away - number) > 1e-6 * (1 + abs(centre) / spread):
            assert rule.is_breached(value, limit) is (away > number)


def test_without_a_limit_nothing_is_beyond_it():
    """What is not known to be unusual is not called so."""
    rule = to_absolute_rule(RULE, None, 1e300)
    assert not rule.is_breached(1e300, rule.clear_threshold)
    assert broadcast_to_grid(None, 3) == ()


@pytest.mark.parametrize(
    ("name", "expected"), [("a->b", ("a", "b")), ("a", None), ("->", None), ("a->", None), ("a->b->c", ("a", "b->c"))]
)
def test_the_name_of_a_call_edge(name, expected):
    """Caller and callee, both named."""
    assert parse_call_edge(name) == expected


def test_calls_tell_the_topology():
    """Who calls whom is learned from what call metrics are seen of."""
    assert call_edges(["shop", "shop->stock", "front->shop", "->"]) == (("front", "shop"), ("shop", "stock"))
