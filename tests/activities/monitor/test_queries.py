"""The PromQL, evaluated by a real Prometheus."""

import pytest

from activities.analyze.analysis_input import GridTiming, RangeReading, build_analysis_input, grid_timing
from activities.analyze.settings import AnalyzeSettings
from activities.model.blindspot import BlindSpotKind
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import Sample
from activities.monitor.builtin_rules import BUILTIN_RULES
from activities.monitor.instant import InstantReading, observe
from activities.monitor.judgement import judge
from activities.monitor.metric_names import LIVENESS_COUNTER
from activities.monitor.queries import (
    COUNTER_MOVING,
    all_signals,
    coverage_detail_queries,
    coverage_query,
    prefilter_query,
    required_signals,
    values_queries,
)
from activities.monitor.rules import build_rules
from activities.monitor.settings import MetricEntry, MonitorSettings, QueryEntry
from tests.activities.monitor.conftest import PrometheusHistory
from tests.support.analysis_inputs import TOPOLOGY
from tests.support.prometheus_history import (
    CHANGE_TIME,
    COMPONENTS,
    CONFIGURED_COMPONENTS,
    END_TIME,
    RANDOM_COMPONENTS,
    SCRAPE_SECONDS,
)

WINDOW_SECONDS, MAX_AGE_SECONDS = 60.0, 30.0


def query_prefilter(prometheus: PrometheusHistory, at: float = END_TIME) -> dict[tuple[str, str], float]:
    samples = prometheus.query_instant(prefilter_query(BUILTIN_RULES, WINDOW_SECONDS), at)
    return {(sample.labels["node_or_service"], sample.labels["rule"]): sample.value for sample in samples}


def collect_readings(prometheus: PrometheusHistory, at: float) -> tuple[InstantReading, AnalysisInput]:
    """Return the readings of Monitor and of Analyze at that instant."""
    timing: GridTiming = grid_timing(at, MonitorSettings(), AnalyzeSettings())
    reading = InstantReading(
        at,
        prometheus.query_instant(prefilter_query(BUILTIN_RULES, WINDOW_SECONDS), at),
        prometheus.query_instant(coverage_query(BUILTIN_RULES, MAX_AGE_SECONDS), at),
    )
    ranges = RangeReading(
        prometheus.query_range(values_queries(BUILTIN_RULES, WINDOW_SECONDS, 1)[0], timing.instants, timing.step),
        prometheus.query_range(
            coverage_detail_queries(BUILTIN_RULES, MAX_AGE_SECONDS, 1)[0], timing.instants, timing.step
        ),
    )
    return reading, build_analysis_input(ranges, timing, BUILTIN_RULES, CONFIGURED_COMPONENTS, TOPOLOGY)


@pytest.mark.parametrize("components", [300, 5000])
def test_several_queries_have_the_answer_of_one(prometheus: PrometheusHistory, components: int) -> None:
    """More components need more queries; together they have the answer of one query."""
    assert (
        len(values_queries(BUILTIN_RULES, WINDOW_SECONDS, 18))
        == len(coverage_detail_queries(BUILTIN_RULES, MAX_AGE_SECONDS, 18))
        == 3
    )
    instants = grid_timing(END_TIME, MonitorSettings(), AnalyzeSettings()).instants
    for joined, parts in (
        (
            values_queries(BUILTIN_RULES, WINDOW_SECONDS, 1)[0],
            values_queries(BUILTIN_RULES, WINDOW_SECONDS, components),
        ),
        (
            coverage_detail_queries(BUILTIN_RULES, MAX_AGE_SECONDS, 1)[0],
            coverage_detail_queries(BUILTIN_RULES, MAX_AGE_SECONDS, components),
        ),
    ):
        assert len(parts) > 1
        expected = {
            str(sorted(s.labels.items())): repr(s.points) for s in prometheus.query_range(joined, instants, 15.0)
        }
        answers = {
            str(sorted(s.labels.items())): repr(s.points)
            for q in parts
            for s in prometheus.query_range(q, instants, 15.0)
        }
        assert answers == expected


def test_prefilter_answer_has_values_beyond_the_nearer_limit(prometheus: PrometheusHistory) -> None:
    """The answer has values beyond the clear threshold and NaN, each with its rule, and no good value."""
    answer = query_prefilter(prometheus)
    keys = {key for key in answer if key[0] not in RANDOM_COMPONENTS}
    assert keys == {
        ("failing", "failure_rate"),
        ("failing", "violations_total"),
        ("failing", "policy_load_duration_ms"),
        ("slow", "validation_latency_seconds"),
        ("slow", "metric_validation_latency_ns"),
        ("between", "failure_rate"),
        ("nan-sum", "policy_load_duration_ms"),
        ("nan-rate", "failure_rate"),
        ("frozen", "throughput_ops_per_sec"),
        ("small", "committee_size"),
        ("small", "audit_committee_size"),
    }
    assert answer["failing", "violations_total"] == pytest.approx(30.0)
    assert answer["failing", "policy_load_duration_ms"] > 500.0


def test_healthy_coverage_is_one_series_per_component(prometheus: PrometheusHistory) -> None:
    """Only defects are further series with a signal."""
    answer = prometheus.query_instant(coverage_query(BUILTIN_RULES, MAX_AGE_SECONDS), END_TIME)
    gateway = [sample for sample in answer if sample.labels["node_or_service"] == "gateway"]
    assert [(sample.labels, sample.value) for sample in gateway] == [
        ({"node_or_service": "gateway"}, float(len(required_signals(BUILTIN_RULES))))
    ]


def test_vanished_component_is_stale_and_then_missing(prometheus: PrometheusHistory) -> None:
    """Its last samples are stale with their age; without any sample it is missing."""

    def list_blind_spots(at: float, required: tuple[str, ...]) -> list[tuple[str, BlindSpotKind]]:
        coverage = prometheus.query_instant(coverage_query(BUILTIN_RULES, MAX_AGE_SECONDS), at)
        vanished = tuple(sample for sample in coverage if sample.labels["node_or_service"] == "vanished")
        observation = observe(InstantReading(at, coverage=vanished), BUILTIN_RULES, required)
        return [(spot.component, spot.kind) for spot in observation.blind]

    assert list_blind_spots(CHANGE_TIME + 30, ("vanished",)) == []
    assert set(list_blind_spots(CHANGE_TIME + 31, ("vanished",))) == {("vanished", BlindSpotKind.STALE)}
    assert list_blind_spots(CHANGE_TIME + 400, ("vanished",)) == [("vanished", BlindSpotKind.MISSING)]


def test_coverage_detail_has_the_age_of_every_signal(prometheus: PrometheusHistory) -> None:
    """There is one series for each (component, signal), and one for counter movement."""
    ages: dict[tuple[str, str], Sample] = {
        (sample.labels["node_or_service"], sample.labels["signal"]): sample
        for sample in prometheus.query_instant(
            coverage_detail_queries(BUILTIN_RULES, MAX_AGE_SECONDS, 1)[0], END_TIME + 5
        )
    }
    assert {ages["gateway", signal].value for signal in all_signals(BUILTIN_RULES)} == {5.0}
    assert (ages["gateway", COUNTER_MOVING].value, ages["frozen", COUNTER_MOVING].value) == (2.0, 0.0)
    assert ("rare", "westworld_charter_forbidden_metric_attempts_total") not in ages


def test_each_component_is_violated_blind_or_healthy(prometheus: PrometheusHistory) -> None:
    """The judgement finds each fault of the history, and healthy components are not in the answer of the pre-filter."""
    reading, analysis_input = collect_readings(prometheus, END_TIME)
    judgement = judge(analysis_input)
    violated = {v.component for v in judgement.violations} - set(RANDOM_COMPONENTS)
    blind = {spot.component: spot.kind for spot in judgement.blind if spot.component not in RANDOM_COMPONENTS}
    assert violated == {"failing", "slow", "small"}
    assert blind == {
        "nan-sum": BlindSpotKind.NAN,
        "nan-rate": BlindSpotKind.NAN,
        "frozen": BlindSpotKind.CONTRADICTORY,
        "half-gone": BlindSpotKind.MISSING,
    }
    assert {(s.component, s.signal) for s in judgement.blind if s.component == "frozen"} == {
        ("frozen", LIVENESS_COUNTER)
    }
    healthy = [s for s in reading.prefilter if s.labels["node_or_service"] in ("rare", "no-loads", "gateway")]
    assert healthy == []


@pytest.mark.parametrize("seconds_ago", range(0, 1800, 195))
def test_prefilter_answer_has_every_violation_of_the_judgement(prometheus: PrometheusHistory, seconds_ago: int) -> None:
    """At any instant each violation is in the answer of the pre-filter, and the same components are blind."""
    at = float(END_TIME - END_TIME % SCRAPE_SECONDS - seconds_ago)
    reading, analysis_input = collect_readings(prometheus, at)
    judgement = judge(analysis_input)
    answered = {(sample.labels["node_or_service"], sample.labels["rule"]) for sample in reading.prefilter}
    assert {violation.key for violation in judgement.violations} <= answered
    for component in COMPONENTS:
        component_reading = InstantReading(
            at,
            prefilter=tuple(s for s in reading.prefilter if s.labels["node_or_service"] == component),
            coverage=tuple(s for s in reading.coverage if s.labels["node_or_service"] == component),
        )
        quick = observe(component_reading, BUILTIN_RULES, ())
        assert bool(quick.blind_count) is any(spot.component == component for spot in judgement.blind), component
        if any(v.component == component for v in judgement.violations):
            assert quick.outcome == ""


def test_configured_rules_are_valid_promql(prometheus: PrometheusHistory) -> None:
    """Configured expressions are valid in every query."""
    settings = MonitorSettings(
        metrics=(
            MetricEntry(name="own", query="rate(westworld_charter_violations_total[{window}]) / 2", threshold=-1e-7),
            MetricEntry(name="low", query="westworld_charter_failure_rate or up", threshold=1e9, breach="below"),
        ),
        queries=(QueryEntry(name="mine", query='(up{job=~"a|b"} > 0 and up) >= 1e-3'),),
    )
    rules = build_rules(settings)
    assert {("failing", "own"), ("gateway", "low")} <= {
        (s.labels["node_or_service"], s.labels["rule"])
        for s in prometheus.query_instant(prefilter_query(rules, WINDOW_SECONDS), END_TIME)
    }
    for query in (
        values_queries(rules, 0.5, 1)[0],
        coverage_query(rules, 2.0),
        coverage_detail_queries(rules, 0.5, 1)[0],
    ):
        prometheus.query_instant(query, END_TIME)
