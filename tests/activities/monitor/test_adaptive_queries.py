"""Adaptive limits as numbers in the pre-filter, against a real Prometheus."""

import math
import random

import pytest

from activities.analyze.analysis_input import GridTiming, RangeReading, build_analysis_input
from activities.model.baseline import AdaptiveLimits, BaselineLimit
from activities.model.violation import BreachSide
from activities.monitor.adaptive_limits import TimeSpan, learn_limits
from activities.monitor.instant import InstantReading, observe
from activities.monitor.judgement import judge
from activities.monitor.queries import coverage_detail_queries, coverage_query, prefilter_query, values_queries
from activities.monitor.rules import build_rules
from activities.monitor.settings import MetricEntry, MonitorSettings
from tests.activities.monitor.conftest import PrometheusHistory
from tests.support.analysis_inputs import TOPOLOGY
from tests.support.prometheus_history import COMPONENTS, CONFIGURED_COMPONENTS, END_TIME, SCRAPE_SECONDS

WINDOW_SECONDS, MAX_AGE_SECONDS = 60.0, 30.0
ENTRIES = tuple(
    MetricEntry(name=f"own_{metric}_{breach}", query=f"westworld_charter_{metric}", breach=breach)
    for metric in ("failure_rate", "throughput_ops_per_sec", "validation_latency_seconds")
    for breach in BreachSide
)
DISABLED_ENTRIES = tuple(MetricEntry(name=rule.metric, enabled=False) for rule in build_rules(MonitorSettings()))
RULES = build_rules(MonitorSettings(metrics=(*ENTRIES, *DISABLED_ENTRIES)))
"""Adaptive rules only, with every breach side."""
INSTANTS = tuple(
    float(END_TIME - END_TIME % SCRAPE_SECONDS - SCRAPE_SECONDS * scrapes) for scrapes in range(119, -1, -1)
)


def draw_limits(seed: int, prometheus: PrometheusHistory) -> AdaptiveLimits:
    """Return limits around existing values, so that many values are at or next to a limit."""
    generator = random.Random(seed)
    values_by_key = {
        (s.labels["node_or_service"], s.labels["rule"]): [v for _, v in s.points if math.isfinite(v)]
        for s in prometheus.query_range(values_queries(RULES, WINDOW_SECONDS, 1)[0], INSTANTS, SCRAPE_SECONDS)
    }
    limits = []
    for (component, metric), values in sorted(values_by_key.items()):
        if values and generator.random() < 0.9:
            edge, spread = generator.choice(values), 10 ** generator.uniform(-6, 3)
            centre = edge + generator.choice([-4.0, -3.0, 0.0, 3.0, 4.0]) * spread
            limits.append(BaselineLimit(component=component, metric=metric, centre=centre, spread=spread))
    return AdaptiveLimits(loop="charter", at=INSTANTS[0], step=60.0, limits=tuple(limits))


def learn_past_limits(prometheus: PrometheusHistory) -> AdaptiveLimits:
    """Return limits as upkeep computes them, from the time before the last ten minutes."""
    span = TimeSpan(INSTANTS[0], INSTANTS[-41], SCRAPE_SECONDS)
    recent = prometheus.query_range(values_queries(RULES, WINDOW_SECONDS, 1)[0], INSTANTS[:-40], SCRAPE_SECONDS)
    return learn_limits("charter", span, RULES, recent, [])


@pytest.mark.parametrize("seed", range(7))
def test_prefilter_answer_has_every_violation_of_the_judgement(prometheus: PrometheusHistory, seed: int) -> None:
    """At several instants, with learned and with random limits, each violation is in the answer of the pre-filter."""
    limits = draw_limits(seed, prometheus) if seed else learn_past_limits(prometheus)
    violation_count = 0
    for end in (40, 67, 90, 119, 120):
        grid = INSTANTS[end - 40 : end]
        timing = GridTiming(grid, SCRAPE_SECONDS, MAX_AGE_SECONDS)
        ranges = RangeReading(
            prometheus.query_range(values_queries(RULES, WINDOW_SECONDS, 1)[0], grid, SCRAPE_SECONDS),
            prometheus.query_range(coverage_detail_queries(RULES, MAX_AGE_SECONDS, 1)[0], grid, SCRAPE_SECONDS),
            limits=limits,
        )
        prefilter = prometheus.query_instant(prefilter_query(RULES, WINDOW_SECONDS, limits), grid[-1])
        coverage = prometheus.query_instant(coverage_query(RULES, MAX_AGE_SECONDS), grid[-1])
        answered = {(sample.labels["node_or_service"], sample.labels["rule"]) for sample in prefilter}
        judgement = judge(build_analysis_input(ranges, timing, RULES, CONFIGURED_COMPONENTS, TOPOLOGY))
        violated = {violation.key for violation in judgement.violations}
        assert violated <= answered
        violation_count += len(violated)
        quick = observe(InstantReading(grid[-1], prefilter, coverage, limits=limits), RULES, ())
        assert not violated or quick.outcome == ""
    assert violation_count or seed


def test_healthy_prefilter_answer_has_only_non_finite_values(prometheus: PrometheusHistory) -> None:
    """With limits that no value is beyond, the answer holds only NaN and infinities."""
    wide = tuple(
        BaselineLimit(component=c, metric=rule.metric, centre=0.0, spread=1e12) for c in COMPONENTS for rule in RULES
    )
    limits = AdaptiveLimits(loop="charter", at=END_TIME, step=60.0, limits=wide)
    answer = prometheus.query_instant(prefilter_query(RULES, WINDOW_SECONDS, limits), END_TIME)
    assert all(not math.isfinite(sample.value) for sample in answer)
    assert {sample.labels["node_or_service"] for sample in answer} >= {"nan-rate"}


def test_component_names_are_escaped_in_the_query(prometheus: PrometheusHistory) -> None:
    """A component name with any characters leaves the query valid, and a dollar stays a dollar."""
    names = ('a"b', "a\\b", "$1${2}$$", "a\nb", "{x}", "gateway")
    limits = tuple(BaselineLimit(component=n, metric=RULES[0].metric, centre=-1.0, spread=1e-9) for n in names)
    query = prefilter_query(
        RULES[:1], WINDOW_SECONDS, AdaptiveLimits(loop="charter", at=END_TIME, step=60.0, limits=limits)
    )
    assert [sample.labels["node_or_service"] for sample in prometheus.query_instant(query, END_TIME)] == ["gateway"]
    numbers = " or ".join(f'label_replace(vector(1), "name", "{name}", "", "")' for name in ("$$1$${2}$$$$", "gateway"))
    assert {sample.labels["name"] for sample in prometheus.query_instant(numbers, END_TIME)} == {"$1${2}$$", "gateway"}
