"""The judgement over a grid of instants."""

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
    return next(track for track in judgement.tracks if (track.component, track.metric) == (component, metric))


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
    """A violation starts beyond the threshold and ends at the clear threshold; NaN and infinities change nothing."""
    assert apply_hysteresis(values, rule) == tuple(map(bool, expected))


@given(st.lists(st.none() | st.floats(0, 20), max_size=40))
def test_hysteresis_is_between_its_limits(values: list[float | None]) -> None:
    """The state is on wherever a value is beyond the threshold, off wherever it is at the clear threshold or better."""
    for value, state in zip(values, apply_hysteresis(values, ABOVE_RULE), strict=True):
        if value is not None:
            assert state or not value > 10.0
            assert not state or value > 8.0


def test_healthy_system_has_no_violation() -> None:
    """A healthy system has no violation and no blind spot."""
    judgement = judge(make_analysis_input())
    assert (judgement.violations, judgement.blind) == ((), ())
    assert not any(any(track.violated_at) for track in judgement.tracks)


def test_violation_has_value_limit_and_start() -> None:
    """The start is the first instant of the current violation, not of an earlier one."""
    (violation,) = judge(make_analysis_input({SERIES_KEY: [0.4, 0.001, 0.3, 0.095, 0.31]})).violations
    assert (violation.value, violation.limit, violation.severity) == (0.31, 0.10, Severity.CRITICAL)
    assert violation.since == make_analysis_input().at - 2 * STEP_SECONDS
    assert violation.summary == "failure_rate 0.31 > 0.1 on gateway"


def test_gap_neither_ends_a_violation_nor_counts() -> None:
    """A missing sample does not end a violation and is not counted as violated."""
    judgement = judge(make_analysis_input({("gateway", "policy_load_duration_ms"): [900.0, None, 900.0]}))
    assert find_track(judgement, "gateway", "policy_load_duration_ms").violated_at[-3:] == (True, False, True)
    assert judgement.violations[0].since == judgement.at - 2 * STEP_SECONDS


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_value_blinds_the_component(value: float) -> None:
    """NaN and infinities blind the component at that instant only."""
    judgement = judge(
        make_analysis_input({SERIES_KEY: [0.3, 0.3, 0.3], ("gateway", "validation_latency_seconds"): [0.1, value, 0.1]})
    )
    assert find_track(judgement, *SERIES_KEY).violated_at[-3:] == (True, False, True)
    assert judgement.blind == ()


@pytest.mark.parametrize(("age", "is_blind"), [(30.0, False), (30.1, True), (-31.0, True)])
def test_stale_sample_is_a_blind_spot(age: float, is_blind: bool) -> None:
    """A sample older than two scrape intervals is a blind spot; one of exactly two is not."""
    signals = {("gateway", "westworld_charter_failure_rate"): [1.0, age]}
    judgement = judge(make_analysis_input({SERIES_KEY: [0.3, 0.3]}, signals))
    assert [spot.kind for spot in judgement.blind] == ([BlindSpotKind.STALE] if is_blind else [])
    assert bool(judgement.violations) is not is_blind
    assert find_track(judgement, *SERIES_KEY).violated_at[-2] is True


@pytest.mark.parametrize("component", ["gateway", "validator-1"])
def test_silent_component_is_missing(component: str) -> None:
    """A configured component or member without signals is one blind spot."""
    judgement = judge(make_analysis_input(*make_silent_exporter(component, 3)))
    assert [(s.component, s.signal, s.kind) for s in judgement.blind] == [
        (component, LIVENESS_COUNTER, BlindSpotKind.MISSING)
    ]
    assert judgement.violations == ()


def test_absent_recorded_metric_is_missing() -> None:
    """A component with moving counters must have the metrics of the recording rules."""
    signals = {("gateway", "westworld_charter_failure_rate"): [None]}
    (spot,) = judge(make_analysis_input({SERIES_KEY: [None]}, signals)).blind
    assert (spot.kind, spot.signal) == (BlindSpotKind.MISSING, "westworld_charter_failure_rate")


def test_absent_rare_counter_is_no_blind_spot() -> None:
    """A rare counter appears with its first event."""
    signals = {("gateway", "westworld_charter_forbidden_metric_attempts_total"): expand_values(None)}
    values = {("gateway", "forbidden_metric_attempts_total"): expand_values(None)}
    assert judge(make_analysis_input(values, signals)).blind == ()


def test_frozen_counters_without_a_finding_are_contradictory() -> None:
    """Without a finding, throughput 0 is a fault of the exporter and not a violation."""
    judgement = judge(make_analysis_input(*make_frozen_counters("gateway", 2)))
    assert [spot.kind for spot in judgement.blind] == [BlindSpotKind.CONTRADICTORY]
    assert judgement.violations == ()


def test_frozen_counters_with_a_finding_count() -> None:
    """With a finding of Charter, frozen counters are symptoms of a dead component, from the finding on."""
    analysis_input = make_analysis_input(
        *make_frozen_counters("validator-5", 4), findings=(make_finding("validator-5", "member_health", -20.0),)
    )
    judgement = judge(analysis_input)
    assert judgement.blind == ()
    assert find_track(judgement, "validator-5", "throughput_ops_per_sec").violated_at[-4:] == (False, False, True, True)
    assert [v.metric for v in judgement.violations] == ["member_health", "throughput_ops_per_sec"]


def test_unhealthy_member_is_a_violation() -> None:
    """The committee's state counts like a finding that starts now."""
    unhealthy = Committee(
        replicas=5, healthy_nodes=4, members=tuple(Member(name=m, healthy=m != "validator-5") for m in MEMBERS)
    )
    judgement = judge(make_analysis_input(*make_frozen_counters("validator-5", 4), committee=unhealthy))
    violation = judgement.violations[0]
    assert (violation.key, violation.sources, violation.since) == (
        ("validator-5", "member_health"),
        ("charter",),
        judgement.at,
    )
    assert judgement.blind == ()


def test_different_series_are_contradictory() -> None:
    """Two different values for one metric of one component are not trusted; two equal ones are."""
    base = make_analysis_input()
    duplicate = Series(component="gateway", metric="failure_rate", values=expand_values(0.002))
    different = duplicate.model_copy(update={"values": expand_values(0.5)})
    assert judge(base.model_copy(update={"series": (*base.series, duplicate)})).blind == ()
    judgement = judge(base.model_copy(update={"series": (*base.series, different)}))
    assert [spot.kind for spot in judgement.blind] == [BlindSpotKind.CONTRADICTORY]
    assert judgement.violations == ()


def test_more_healthy_nodes_than_replicas_are_contradictory() -> None:
    """Charter as a whole is then blind."""
    judgement = judge(make_analysis_input(committee=COMMITTEE.model_copy(update={"healthy_nodes": 6})))
    assert [(s.component, s.kind) for s in judgement.blind] == [("charter", BlindSpotKind.CONTRADICTORY)]


def test_findings_count_where_metrics_are_blind() -> None:
    """A finding is independent evidence, in [opened, closed)."""
    values, signals = make_silent_exporter("gateway", INSTANT_COUNT)
    findings = (make_finding("gateway", "westworld_charter_violations_total", -3 * STEP_SECONDS, -STEP_SECONDS),)
    judgement = judge(make_analysis_input(values, signals, findings=findings))
    assert find_track(judgement, "gateway", "violations_total").violated_at[-5:] == (False, True, True, False, False)
    assert judgement.violations == ()


def test_metric_and_finding_are_one_violation() -> None:
    """The violation has the metric's numbers, the higher severity and the earlier start."""
    values = {("gateway", "policy_load_duration_ms"): [900.0]}
    findings = (make_finding("gateway", "policy_load_duration_ms", -100.0, value=1.0, limit=2.0),)
    (violation,) = judge(make_analysis_input(values, findings=findings)).violations
    assert (violation.value, violation.limit, violation.sources) == (900.0, 500.0, ("metric", "charter"))
    assert (violation.severity, violation.since) == (Severity.CRITICAL, make_analysis_input().at - 100.0)


def test_unknown_severity_of_charter_is_a_warning() -> None:
    """Charter uses four vocabularies for severities, in any case."""
    findings = (
        make_finding("gateway", "x", -1.0, severity="CRITICAL"),
        make_finding("gateway", "y", -1.0, severity="LOW"),
    )
    assert [v.severity for v in judge(make_analysis_input(findings=findings)).violations] == [
        Severity.CRITICAL,
        Severity.WARNING,
    ]


@pytest.mark.parametrize(
    ("value", "summary"), [(0.0, "x 0 < 1 on gateway"), (2.0, "x 2 > 1 on gateway"), (None, "x > 1 on gateway")]
)
def test_breach_side_of_a_finding_follows_from_its_numbers(value: float | None, summary: str) -> None:
    """A finding has value and limit, but no side."""
    (violation,) = judge(
        make_analysis_input(findings=(make_finding("gateway", "x", -1.0, value=value, limit=1.0),))
    ).violations
    assert violation.summary == summary


def test_discovered_component_is_judged_while_it_has_signals() -> None:
    """An unconfigured component is judgement; after its signals end, its remaining rates are ignored."""
    signals = {("newcomer", s.metric): s.values for s in make_analysis_input().freshness if s.component == "gateway"}
    values = {("newcomer", "failure_rate"): [0.3, 0.3]}
    (violation,) = judge(make_analysis_input(values, signals)).violations
    assert violation.component == "newcomer"
    signals_after_leaving = {key: [*ages[:-1], None] for key, ages in signals.items()}
    judgement = judge(make_analysis_input(values, signals_after_leaving))
    assert (judgement.violations, judgement.blind) == ((), ())
    assert find_track(judgement, "newcomer", "failure_rate").violated_at[-2:] == (True, False)


def test_series_without_a_component_label_is_blind() -> None:
    """A query that loses the component label gives a blind spot."""
    (spot,) = judge(make_analysis_input({("unnamed", "failure_rate"): [0.3]})).blind
    assert (spot.component, spot.kind) == ("unnamed", BlindSpotKind.MISSING)
