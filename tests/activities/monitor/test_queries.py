"""The PromQL against a real Prometheus."""

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
    found = prometheus.query_instant(prefilter_query(BUILTIN_RULES, WINDOW_SECONDS), at)
    return {(sample.labels["node_or_service"], sample.labels["rule"]): sample.value for sample in found}


def collect_readings(prometheus: PrometheusHistory, at: float) -> tuple[InstantReading, AnalysisInput]:
    """What the cycle and what Analyze would get at that instant."""
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
def test_the_parts_are_the_whole(prometheus: PrometheusHistory, components: int) -> None:
    """The more components, the more queries they are asked for in; the answers are the same."""
    assert (
        len(values_queries(BUILTIN_RULES, WINDOW_SECONDS, 18))
        == len(coverage_detail_queries(BUILTIN_RULES, MAX_AGE_SECONDS, 18))
        == 3
    )
    instants = grid_timing(END_TIME, MonitorSettings(), AnalyzeSettings()).instants
    for whole, parts in (
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
            str(sorted(one.labels.items())): repr(one.points) for one in prometheus.query_range(whole, instants, 15.0)
        }
        found = {
            str(sorted(s.labels.items())): repr(s.points)
            for q in parts
            for s in prometheus.query_range(q, instants, 15.0)
        }
        assert found == expected


def test_prefilter_passes_what_is_beyond_the_nearer_limit(prometheus: PrometheusHistory) -> None:
    """Values beyond leave and NaN come through, each with its rule; good values do not."""
    found = query_prefilter(prometheus)
    named = {key for key in found if key[0] not in RANDOM_COMPONENTS}
    assert named == {
        ("failing", "failure_rate"),
        ("failing", "violations_total"),
        ("failing", "policy_load_duration_ms"),
        ("slow", "validation_latency_seconds"),
        ("slow", "metric_validation_latency_ns"),
        ("between", "failure_rate"),
        ("nan-sum", "policy_load_duration_ms"),
        ("nan-rate", "failure_rate"),
        ("standing", "throughput_ops_per_sec"),
        ("small", "committee_size"),
        ("small", "audit_committee_size"),
    }
    assert found["failing", "violations_total"] == pytest.approx(30.0)
    assert found["failing", "policy_load_duration_ms"] > 500.0


def test_a_healthy_coverage_is_one_series_per_component(prometheus: PrometheusHistory) -> None:
    """What is wrong comes as further series with a signal."""
    found = prometheus.query_instant(coverage_query(BUILTIN_RULES, MAX_AGE_SECONDS), END_TIME)
    own = [sample for sample in found if sample.labels["node_or_service"] == "gateway"]
    assert [(sample.labels, sample.value) for sample in own] == [
        ({"node_or_service": "gateway"}, float(len(required_signals(BUILTIN_RULES))))
    ]


def test_a_vanished_component_ages_and_then_is_gone(prometheus: PrometheusHistory) -> None:
    """Old samples are told as stale with their age; nothing at all is missing."""

    def spots(at: float, required: tuple[str, ...]) -> list[tuple[str, BlindSpotKind]]:
        coverage = prometheus.query_instant(coverage_query(BUILTIN_RULES, MAX_AGE_SECONDS), at)
        own = tuple(sample for sample in coverage if sample.labels["node_or_service"] == "vanished")
        found = observe(InstantReading(at, coverage=own), BUILTIN_RULES, required)
        return [(spot.component, spot.kind) for spot in found.blind]

    last = CHANGE_TIME
    assert spots(last + 30, ("vanished",)) == []
    assert set(spots(last + 31, ("vanished",))) == {("vanished", BlindSpotKind.STALE)}
    assert spots(last + 400, ("vanished",)) == [("vanished", BlindSpotKind.MISSING)]


def test_detail_names_the_age_of_every_signal(prometheus: PrometheusHistory) -> None:
    """One series for each (component, signal), and whether the counters move."""
    found: dict[tuple[str, str], Sample] = {
        (sample.labels["node_or_service"], sample.labels["signal"]): sample
        for sample in prometheus.query_instant(
            coverage_detail_queries(BUILTIN_RULES, MAX_AGE_SECONDS, 1)[0], END_TIME + 5
        )
    }
    assert {found["gateway", signal].value for signal in all_signals(BUILTIN_RULES)} == {5.0}
    assert (found["gateway", COUNTER_MOVING].value, found["standing", COUNTER_MOVING].value) == (2.0, 0.0)
    assert ("rare", "westworld_charter_forbidden_metric_attempts_total") not in found


def test_what_is_told_of_each_component(prometheus: PrometheusHistory) -> None:
    """Violated, blind or healthy, the same from the quick check and from the judgement."""
    reading, source = collect_readings(prometheus, END_TIME)
    judged = judge(source)
    violated = {v.component for v in judged.violations} - set(RANDOM_COMPONENTS)
    blind = {spot.component: spot.kind for spot in judged.blind if spot.component not in RANDOM_COMPONENTS}
    assert violated == {"failing", "slow", "small"}
    assert blind == {
        "nan-sum": BlindSpotKind.NAN,
        "nan-rate": BlindSpotKind.NAN,
        "standing": BlindSpotKind.CONTRADICTORY,
        "half-gone": BlindSpotKind.MISSING,
    }
    assert {(s.component, s.signal) for s in judged.blind if s.component == "standing"} == {
        ("standing", LIVENESS_COUNTER)
    }
    quiet = [s for s in reading.prefilter if s.labels["node_or_service"] in ("rare", "no-loads", "gateway")]
    assert quiet == []


@pytest.mark.parametrize("back", range(0, 1800, 195))
def test_the_prefilter_hides_nothing_the_judgement_finds(prometheus: PrometheusHistory, back: int) -> None:
    """At any instant what is judged violated was let through, and the same components are blind."""
    at = float(END_TIME - END_TIME % SCRAPE_SECONDS - back)
    reading, source = collect_readings(prometheus, at)
    judged = judge(source)
    passed = {(sample.labels["node_or_service"], sample.labels["rule"]) for sample in reading.prefilter}
    assert {violation.key for violation in judged.violations} <= passed
    for component in COMPONENTS:
        own = {
            "prefilter": tuple(s for s in reading.prefilter if s.labels["node_or_service"] == component),
            "coverage": tuple(s for s in reading.coverage if s.labels["node_or_service"] == component),
        }
        quick = observe(InstantReading(at, **own), BUILTIN_RULES, ())
        assert bool(quick.blind_count) is any(spot.component == component for spot in judged.blind), component
        if any(v.component == component for v in judged.violations):
            assert quick.outcome == ""


def test_own_rules_are_valid_promql(prometheus: PrometheusHistory) -> None:
    """Configured expressions fit into every query."""
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
