"""Adaptive limits as numbers in the pre-filter, against a real Prometheus."""

import math
import random

import pytest

from activities.analyze.grid import RangeReading, Timing, input_of
from activities.model.baseline import AdaptiveLimits, Limit
from activities.model.violation import Bad
from activities.monitor.adaptive_limits import Span, learned
from activities.monitor.instant import Reading, observe
from activities.monitor.judgement import judge
from activities.monitor.queries import coverage_detail_queries, coverage_query, prefilter_query, values_queries
from activities.monitor.rules import rules_of
from activities.monitor.settings import MetricEntry, MonitorSettings
from tests.activities.monitor.conftest import History
from tests.support.analysis_inputs import TOPOLOGY
from tests.support.prometheus_history import COMPONENTS, CONFIGURED, END, SCRAPE

WINDOW, MAX_AGE = 60.0, 30.0
ENTRIES = tuple(
    MetricEntry(name=f"own_{metric}_{bad}", query=f"westworld_charter_{metric}", bad=bad)
    for metric in ("failure_rate", "throughput_ops_per_sec", "validation_latency_seconds")
    for bad in Bad
)
OFF = tuple(MetricEntry(name=rule.metric, enabled=False) for rule in rules_of(MonitorSettings()))
RULES = rules_of(MonitorSettings(metrics=(*ENTRIES, *OFF)))
"""Nothing but adaptive rules, in every direction."""
INSTANTS = tuple(float(END - END % SCRAPE - SCRAPE * back) for back in range(119, -1, -1))


def drawn(seed: int, prometheus: History) -> AdaptiveLimits:
    """Limits around values that are really there, so that many lie at or next to a limit."""
    source = random.Random(seed)
    seen = {
        (s.labels["node_or_service"], s.labels["rule"]): [v for _, v in s.points if math.isfinite(v)]
        for s in prometheus.over(values_queries(RULES, WINDOW, 1)[0], INSTANTS, SCRAPE)
    }
    limits = []
    for (component, metric), values in sorted(seen.items()):
        if values and source.random() < 0.9:
            edge, spread = source.choice(values), 10 ** source.uniform(-6, 3)
            centre = edge + source.choice([-4.0, -3.0, 0.0, 3.0, 4.0]) * spread
            limits.append(Limit(component=component, metric=metric, centre=centre, spread=spread))
    return AdaptiveLimits(loop="charter", at=INSTANTS[0], step=60.0, limits=tuple(limits))


def of_the_past(prometheus: History) -> AdaptiveLimits:
    """Limits as upkeep makes them, from the half hour before the last ten minutes."""
    span = Span(INSTANTS[0], INSTANTS[-41], SCRAPE)
    recent = prometheus.over(values_queries(RULES, WINDOW, 1)[0], INSTANTS[:-40], SCRAPE)
    return learned("charter", span, RULES, recent, [])


@pytest.mark.parametrize("seed", range(7))
def test_the_prefilter_hides_nothing_the_judgement_finds(prometheus: History, seed: int) -> None:
    """With limits of the real past, and with drawn ones, at several instants: what is judged violated came through."""
    limits = drawn(seed, prometheus) if seed else of_the_past(prometheus)
    found = 0
    for end in (40, 67, 90, 119, 120):
        grid = INSTANTS[end - 40 : end]
        timing = Timing(grid, SCRAPE, MAX_AGE)
        ranges = RangeReading(
            prometheus.over(values_queries(RULES, WINDOW, 1)[0], grid, SCRAPE),
            prometheus.over(coverage_detail_queries(RULES, MAX_AGE, 1)[0], grid, SCRAPE),
            limits=limits,
        )
        prefilter = prometheus.instant(prefilter_query(RULES, WINDOW, limits), grid[-1])
        coverage = prometheus.instant(coverage_query(RULES, MAX_AGE), grid[-1])
        passed = {(sample.labels["node_or_service"], sample.labels["rule"]) for sample in prefilter}
        judged = judge(input_of(ranges, timing, RULES, CONFIGURED, TOPOLOGY))
        violated = {violation.key for violation in judged.violations}
        assert violated <= passed
        found += len(violated)
        quick = observe(Reading(grid[-1], prefilter, coverage, limits=limits), RULES, ())
        assert not violated or quick.outcome == ""
    assert found or seed


def test_a_healthy_answer_is_empty(prometheus: History) -> None:
    """Limits that nothing is beyond let nothing through but what cannot be read."""
    wide = tuple(Limit(component=c, metric=rule.metric, centre=0.0, spread=1e12) for c in COMPONENTS for rule in RULES)
    limits = AdaptiveLimits(loop="charter", at=END, step=60.0, limits=wide)
    answer = prometheus.instant(prefilter_query(RULES, WINDOW, limits), END)
    assert all(not math.isfinite(sample.value) for sample in answer)
    assert {sample.labels["node_or_service"] for sample in answer} >= {"nan-rate"}


def test_names_from_outside_are_only_text(prometheus: History) -> None:
    """A component may be called anything: the query stays one, and a dollar is a dollar."""
    names = ('a"b', "a\\b", "$1${2}$$", "a\nb", "{x}", "gateway")
    limits = tuple(Limit(component=n, metric=RULES[0].metric, centre=-1.0, spread=1e-9) for n in names)
    query = prefilter_query(RULES[:1], WINDOW, AdaptiveLimits(loop="charter", at=END, step=60.0, limits=limits))
    assert [sample.labels["node_or_service"] for sample in prometheus.instant(query, END)] == ["gateway"]
    numbers = " or ".join(f'label_replace(vector(1), "name", "{name}", "", "")' for name in ("$$1$${2}$$$$", "gateway"))
    assert {sample.labels["name"] for sample in prometheus.instant(numbers, END)} == {"$1${2}$$", "gateway"}
