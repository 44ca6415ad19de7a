"""The judgement over the past."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.blindspot import BlindSpotKind
from activities.model.charter import Committee, Member
from activities.model.rule import MetricRule
from activities.model.timeseries import Series
from activities.model.violation import BreachSide, Severity
from activities.monitor.judgement import Judgement, MetricTrack, apply_hysteresis, judge
from activities.monitor.metric_names import LIVENESS_COUNTER
from tests.support.analysis_inputs import (
    COMMITTEE,
    INSTANT_COUNT,
    MEMBERS,
    STEP_SECONDS,
    expand_values,
    make_analysis_input,
    make_finding,
    make_frozen_counters,
    make_silent_exporter,
)

SERIES_KEY = ("gateway", "failure_rate")
ABOVE_RULE = MetricRule(metric="m", expr="m", threshold=10.0, clear_threshold=8.0)
BELOW_RULE = MetricRule(metric="m", expr="m", threshold=10.0, clear_threshold=12.0, breach=BreachSide.BELOW)


def find_track(judgement: Judgement, component: str, metric: str) -> MetricTrack:
    return next(t for t in judgement.tracks if (t.component, t.metric) == (component, metric))


@pytest.mark.parametrize(
    ("rule", "values", "expected"),
    [
        (ABOVE_RULE, [10.0, 10.1, 9.0, 8.1, 8.0, 9.0, 10.0], [0, 1, 1, 1, 0, 0, 0]),
        (BELOW_RULE, [10.0, 9.9, 11.0, 11.9, 12.0, 11.0, 10.0], [0, 1, 1, 1, 0, 0, 0]),
        (ABOVE_RULE, [11.0, None, 9.0, math.nan, 9.0, math.inf, 7.0], [1, 1, 1, 1, 1, 1, 0]),
        (ABOVE_RULE, [None, 9.0, math.inf, 9.0], [0, 0, 0, 0]),
    ],
)
def test_hysteresis(rule: MetricRule, values: list[float | None], expected: list[int]) -> None:
    """On beyond enter, off at leave; what is no number changes nothing."""
    assert apply_hysteresis(values, rule) == tuple(map(bool, expected))


@given(st.lists(st.none() | st.floats(0, 20), max_size=40))
def test_hysteresis_lies_between_its_limits(values: list[float | None]) -> None:
    """It is on wherever a value is beyond enter, off wherever one is at leave or better."""
    for value, state in zip(values, apply_hysteresis(values, ABOVE_RULE), strict=True):
        if value is not None:
            assert state or not value > 10.0
            assert not state or value > 8.0


def test_healthy_is_healthy() -> None:
    """Nothing is violated and nothing blind in a healthy system."""
    judged = judge(make_analysis_input())
    assert (judged.violations, judged.blind) == ((), ())
    assert not any(any(t.violated_at) for t in judged.tracks)


def test_a_violation_has_value_limit_and_start() -> None:
    """Since is the first instant of the present run, not of an earlier one."""
    (violation,) = judge(make_analysis_input({SERIES_KEY: [0.4, 0.001, 0.3, 0.095, 0.31]})).violations
    assert (violation.value, violation.limit, violation.severity) == (0.31, 0.10, Severity.CRITICAL)
    assert violation.since == make_analysis_input().at - 2 * STEP_SECONDS
    assert violation.summary == "failure_rate 0.31 > 0.1 on gateway"


def test_a_gap_does_not_end_a_run_but_is_not_counted() -> None:
    """Absence for an instant says neither good nor bad."""
    judged = judge(make_analysis_input({("gateway", "policy_load_duration_ms"): [900.0, None, 900.0]}))
    assert find_track(judged, "gateway", "policy_load_duration_ms").violated_at[-3:] == (True, False, True)
    assert judged.violations[0].since == judged.at - 2 * STEP_SECONDS


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_sets_the_component_aside(value: float) -> None:
    """NaN and infinities blind the whole component at that instant, and only then."""
    judged = judge(
        make_analysis_input({SERIES_KEY: [0.3, 0.3, 0.3], ("gateway", "validation_latency_seconds"): [0.1, value, 0.1]})
    )
    assert find_track(judged, *SERIES_KEY).violated_at[-3:] == (True, False, True)
    assert judged.blind == ()


@pytest.mark.parametrize(("age", "blind"), [(30.0, False), (30.1, True), (-31.0, True)])
def test_a_stale_sample_is_not_believed(age: float, blind: bool) -> None:
    """Older than two scrape intervals is blind, exactly two is not."""
    signals = {("gateway", "westworld_charter_failure_rate"): [1.0, age]}
    judged = judge(make_analysis_input({SERIES_KEY: [0.3, 0.3]}, signals))
    assert [spot.kind for spot in judged.blind] == ([BlindSpotKind.STALE] if blind else [])
    assert bool(judged.violations) is not blind
    assert find_track(judged, *SERIES_KEY).violated_at[-2] is True


@pytest.mark.parametrize("component", ["gateway", "validator-1"])
def test_a_silent_component_is_missing(component: str) -> None:
    """Configured components and members must be seen; one blind spot tells it."""
    judged = judge(make_analysis_input(*make_silent_exporter(component, 3)))
    assert [(s.component, s.signal, s.kind) for s in judged.blind] == [
        (component, LIVENESS_COUNTER, BlindSpotKind.MISSING)
    ]
    assert judged.violations == ()


def test_a_derived_metric_that_is_not_there_is_missing() -> None:
    """Recording rules that are not loaded are no health: a component that moves must have them."""
    gone = {("gateway", "westworld_charter_failure_rate"): [None]}
    (spot,) = judge(make_analysis_input({SERIES_KEY: [None]}, gone)).blind
    assert (spot.kind, spot.signal) == (BlindSpotKind.MISSING, "westworld_charter_failure_rate")


def test_a_rare_counter_that_is_not_there_is_nothing() -> None:
    """It is born with its first event."""
    gone = {("gateway", "westworld_charter_forbidden_metric_attempts_total"): expand_values(None)}
    values = {("gateway", "forbidden_metric_attempts_total"): expand_values(None)}
    assert judge(make_analysis_input(values, gone)).blind == ()


def test_standing_counters_contradict_a_content_charter() -> None:
    """Throughput 0 of a component Charter is content with is a lie of the exporter, not a violation."""
    judged = judge(make_analysis_input(*make_frozen_counters("gateway", 2)))
    assert [spot.kind for spot in judged.blind] == [BlindSpotKind.CONTRADICTORY]
    assert judged.violations == ()


def test_standing_counters_of_a_reported_component_count() -> None:
    """With Charter's own report they are what a dead component looks like, from the report on."""
    source = make_analysis_input(
        *make_frozen_counters("validator-5", 4), findings=(make_finding("validator-5", "member_health", -20.0),)
    )
    judged = judge(source)
    assert judged.blind == ()
    assert find_track(judged, "validator-5", "throughput_ops_per_sec").violated_at[-4:] == (False, False, True, True)
    assert [v.metric for v in judged.violations] == ["member_health", "throughput_ops_per_sec"]


def test_an_unhealthy_member_is_a_report() -> None:
    """The committee's state counts like a finding that begins now."""
    sick = Committee(
        replicas=5, healthy_nodes=4, members=tuple(Member(name=m, healthy=m != "validator-5") for m in MEMBERS)
    )
    judged = judge(make_analysis_input(*make_frozen_counters("validator-5", 4), committee=sick))
    health = judged.violations[0]
    assert (health.key, health.sources, health.since) == (("validator-5", "member_health"), ("charter",), judged.at)
    assert judged.blind == ()


def test_disagreeing_series_are_contradictory() -> None:
    """Two values for one metric of one component: neither is believed. Twice the same is one."""
    base = make_analysis_input()
    same = Series(component="gateway", metric="failure_rate", values=expand_values(0.002))
    other = same.model_copy(update={"values": expand_values(0.5)})
    assert judge(base.model_copy(update={"series": (*base.series, same)})).blind == ()
    judged = judge(base.model_copy(update={"series": (*base.series, other)}))
    assert [spot.kind for spot in judged.blind] == [BlindSpotKind.CONTRADICTORY]
    assert judged.violations == ()


def test_a_committee_with_more_healthy_nodes_than_replicas_is_contradictory() -> None:
    """Charter as a whole is blind then."""
    judged = judge(make_analysis_input(committee=COMMITTEE.model_copy(update={"healthy_nodes": 6})))
    assert [(s.component, s.kind) for s in judged.blind] == [("charter", BlindSpotKind.CONTRADICTORY)]


def test_charter_counts_even_where_metrics_are_blind() -> None:
    """Its findings are independent evidence, in [opened, closed)."""
    values, signals = make_silent_exporter("gateway", INSTANT_COUNT)
    found = (make_finding("gateway", "westworld_charter_violations_total", -3 * STEP_SECONDS, -STEP_SECONDS),)
    judged = judge(make_analysis_input(values, signals, findings=found))
    assert find_track(judged, "gateway", "violations_total").violated_at[-5:] == (False, True, True, False, False)
    assert judged.violations == ()


def test_metric_and_charter_are_one_violation() -> None:
    """Merged by (component, metric): the metric's numbers, the worse severity, the earlier start."""
    values = {("gateway", "policy_load_duration_ms"): [900.0]}
    found = (make_finding("gateway", "policy_load_duration_ms", -100.0, value=1.0, limit=2.0),)
    (violation,) = judge(make_analysis_input(values, findings=found)).violations
    assert (violation.value, violation.limit, violation.sources) == (900.0, 500.0, ("metric", "charter"))
    assert (violation.severity, violation.since) == (Severity.CRITICAL, make_analysis_input().at - 100.0)


def test_an_unknown_severity_of_charter_is_a_warning() -> None:
    """Four vocabularies are in use; case does not matter."""
    found = (
        make_finding("gateway", "x", -1.0, severity="CRITICAL"),
        make_finding("gateway", "y", -1.0, severity="LOW"),
    )
    assert [v.severity for v in judge(make_analysis_input(findings=found)).violations] == [
        Severity.CRITICAL,
        Severity.WARNING,
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "x 0 < 1 on gateway"), (2.0, "x 2 > 1 on gateway"), (None, "x > 1 on gateway")]
)
def test_the_bad_side_of_a_finding_follows_from_its_numbers(value: float | None, text: str) -> None:
    """Charter tells value and limit, not the side."""
    (violation,) = judge(
        make_analysis_input(findings=(make_finding("gateway", "x", -1.0, value=value, limit=1.0),))
    ).violations
    assert violation.summary == text


def test_a_discovered_component_is_judged_while_it_is_there() -> None:
    """Prometheus may show a component nobody configured; once its signals are gone, its lingering rates are nothing."""
    signals = {("newcomer", s.metric): s.values for s in make_analysis_input().freshness if s.component == "gateway"}
    values = {("newcomer", "failure_rate"): [0.3, 0.3]}
    (violation,) = judge(make_analysis_input(values, signals)).violations
    assert violation.component == "newcomer"
    left = {key: [*ages[:-1], None] for key, ages in signals.items()}
    judged = judge(make_analysis_input(values, left))
    assert (judged.violations, judged.blind) == ((), ())
    assert find_track(judged, "newcomer", "failure_rate").violated_at[-2:] == (True, False)


def test_series_without_a_component_are_blind() -> None:
    """A query that loses the component label is told, not ignored."""
    (spot,) = judge(make_analysis_input({("unnamed", "failure_rate"): [0.3]})).blind
    assert (spot.component, spot.kind) == ("unnamed", BlindSpotKind.MISSING)
