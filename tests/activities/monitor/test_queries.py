"""The PromQL against a real Prometheus."""

import pytest

from activities.analyze.grid import RangeReading, Timing, input_of, timing_of
from activities.analyze.settings import AnalyzeSettings
from activities.model.blindspot import Blindness
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import Sample
from activities.monitor.builtin_rules import BUILT_IN, LIVENESS
from activities.monitor.instant import Reading, observe
from activities.monitor.judgement import judge
from activities.monitor.queries import (
    MOVING,
    all_signals,
    coverage_detail_queries,
    coverage_query,
    prefilter_query,
    steady_signals,
    values_queries,
)
from activities.monitor.rules import rules_of
from activities.monitor.settings import MetricEntry, MonitorSettings, QueryEntry
from tests.activities.monitor.conftest import History
from tests.support.analysis_inputs import TOPOLOGY
from tests.support.prometheus_history import CHANGE, COMPONENTS, CONFIGURED, END, RANDOM, SCRAPE

WINDOW, MAX_AGE = 60.0, 30.0


def prefiltered(prometheus: History, at: float = END) -> dict[tuple[str, str], float]:
    found = prometheus.instant(prefilter_query(BUILT_IN, WINDOW), at)
    return {(sample.labels["node_or_service"], sample.labels["rule"]): sample.value for sample in found}


def looked_at(prometheus: History, at: float) -> tuple[Reading, AnalysisInput]:
    """What the cycle and what Analyze would get at that instant."""
    timing: Timing = timing_of(at, MonitorSettings(), AnalyzeSettings())
    reading = Reading(
        at,
        prometheus.instant(prefilter_query(BUILT_IN, WINDOW), at),
        prometheus.instant(coverage_query(BUILT_IN, MAX_AGE), at),
    )
    ranges = RangeReading(
        prometheus.over(values_queries(BUILT_IN, WINDOW, 1)[0], timing.instants, timing.step),
        prometheus.over(coverage_detail_queries(BUILT_IN, MAX_AGE, 1)[0], timing.instants, timing.step),
    )
    return reading, input_of(ranges, timing, BUILT_IN, CONFIGURED, TOPOLOGY)


@pytest.mark.parametrize("components", [300, 5000])
def test_the_parts_are_the_whole(prometheus: History, components: int) -> None:
    """The more components, the more queries they are asked for in; the answers are the same."""
    assert len(values_queries(BUILT_IN, WINDOW, 18)) == len(coverage_detail_queries(BUILT_IN, MAX_AGE, 18)) == 3
    instants = timing_of(END, MonitorSettings(), AnalyzeSettings()).instants
    for whole, parts in (
        (values_queries(BUILT_IN, WINDOW, 1)[0], values_queries(BUILT_IN, WINDOW, components)),
        (coverage_detail_queries(BUILT_IN, MAX_AGE, 1)[0], coverage_detail_queries(BUILT_IN, MAX_AGE, components)),
    ):
        assert len(parts) > 1
        expected = {str(sorted(one.labels.items())): repr(one.points) for one in prometheus.over(whole, instants, 15.0)}
        found = {
            str(sorted(s.labels.items())): repr(s.points) for q in parts for s in prometheus.over(q, instants, 15.0)
        }
        assert found == expected


def test_prefilter_passes_what_is_beyond_the_nearer_limit(prometheus: History) -> None:
    """Values beyond leave and NaN come through, each with its rule; good values do not."""
    found = prefiltered(prometheus)
    named = {key for key in found if key[0] not in RANDOM}
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


def test_a_healthy_coverage_is_one_series_per_component(prometheus: History) -> None:
    """What is wrong comes as further series with a signal."""
    found = prometheus.instant(coverage_query(BUILT_IN, MAX_AGE), END)
    own = [sample for sample in found if sample.labels["node_or_service"] == "gateway"]
    assert [(sample.labels, sample.value) for sample in own] == [
        ({"node_or_service": "gateway"}, float(len(steady_signals(BUILT_IN))))
    ]


def test_a_vanished_component_ages_and_then_is_gone(prometheus: History) -> None:
    """Old samples are told as stale with their age; nothing at all is missing."""

    def spots(at: float, required: tuple[str, ...]) -> list[tuple[str, Blindness]]:
        coverage = prometheus.instant(coverage_query(BUILT_IN, MAX_AGE), at)
        own = tuple(sample for sample in coverage if sample.labels["node_or_service"] == "vanished")
        found = observe(Reading(at, coverage=own), BUILT_IN, required)
        return [(spot.component, spot.kind) for spot in found.blind]

    last = CHANGE
    assert spots(last + 30, ("vanished",)) == []
    assert set(spots(last + 31, ("vanished",))) == {("vanished", Blindness.STALE)}
    assert spots(last + 400, ("vanished",)) == [("vanished", Blindness.MISSING)]


def test_detail_names_the_age_of_every_signal(prometheus: History) -> None:
    """One series for each (component, signal), and whether the counters move."""
    found: dict[tuple[str, str], Sample] = {
        (sample.labels["node_or_service"], sample.labels["signal"]): sample
        for sample in prometheus.instant(coverage_detail_queries(BUILT_IN, MAX_AGE, 1)[0], END + 5)
    }
    assert {found["gateway", signal].value for signal in all_signals(BUILT_IN)} == {5.0}
    assert (found["gateway", MOVING].value, found["standing", MOVING].value) == (2.0, 0.0)
    assert ("rare", "westworld_charter_forbidden_metric_attempts_total") not in found


def test_what_is_told_of_each_component(prometheus: History) -> None:
    """Violated, blind or healthy, the same from the quick check and from the judgement."""
    reading, source = looked_at(prometheus, END)
    judged = judge(source)
    violated = {v.component for v in judged.violations} - set(RANDOM)
    blind = {spot.component: spot.kind for spot in judged.blind if spot.component not in RANDOM}
    assert violated == {"failing", "slow", "small"}
    assert blind == {
        "nan-sum": Blindness.NAN,
        "nan-rate": Blindness.NAN,
        "standing": Blindness.CONTRADICTORY,
        "half-gone": Blindness.MISSING,
    }
    assert {(s.component, s.signal) for s in judged.blind if s.component == "standing"} == {("standing", LIVENESS)}
    quiet = [s for s in reading.prefilter if s.labels["node_or_service"] in ("rare", "no-loads", "gateway")]
    assert quiet == []


@pytest.mark.parametrize("back", range(0, 1800, 195))
def test_the_prefilter_hides_nothing_the_judgement_finds(prometheus: History, back: int) -> None:
    """At any instant what is judged violated was let through, and the same components are blind."""
    at = float(END - END % SCRAPE - back)
    reading, source = looked_at(prometheus, at)
    judged = judge(source)
    passed = {(sample.labels["node_or_service"], sample.labels["rule"]) for sample in reading.prefilter}
    assert {violation.key for violation in judged.violations} <= passed
    for component in COMPONENTS:
        own = {
            "prefilter": tuple(s for s in reading.prefilter if s.labels["node_or_service"] == component),
            "coverage": tuple(s for s in reading.coverage if s.labels["node_or_service"] == component),
        }
        quick = observe(Reading(at, **own), BUILT_IN, ())
        assert bool(quick.blind_count) is any(spot.component == component for spot in judged.blind), component
        if any(v.component == component for v in judged.violations):
            assert quick.outcome == ""


def test_own_rules_are_valid_promql(prometheus: History) -> None:
    """Configured expressions fit into every query."""
    settings = MonitorSettings(
        metrics=(
            MetricEntry(name="own", query="rate(westworld_charter_violations_total[{window}]) / 2", threshold=-1e-7),
            MetricEntry(name="low", query="westworld_charter_failure_rate or up", threshold=1e9, bad="below"),
        ),
        queries=(QueryEntry(name="mine", query='(up{job=~"a|b"} > 0 and up) >= 1e-3'),),
    )
    rules = rules_of(settings)
    assert {("failing", "own"), ("gateway", "low")} <= {
        (s.labels["node_or_service"], s.labels["rule"]) for s in prometheus.instant(prefilter_query(rules, WINDOW), END)
    }
    for query in (
        values_queries(rules, 0.5, 1)[0],
        coverage_query(rules, 2.0),
        coverage_detail_queries(rules, 0.5, 1)[0],
    ):
        prometheus.instant(query, END)
