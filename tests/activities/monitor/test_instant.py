"""The quick check of one instant."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.observation import MAX_SHOWN_ENTRIES, Observation
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import Sample
from activities.monitor.builtin_rules import BUILTIN_RULES
from activities.monitor.instant import InstantReading, observe
from activities.monitor.judgement import judge
from activities.monitor.queries import COUNTER_MOVING, required_signals
from tests.support.analysis_inputs import (
    COMMITTEE,
    HEALTHY_VALUES,
    MEMBERS,
    SERVICES,
    SeriesValues,
    make_analysis_input,
    make_finding,
    make_frozen_counters,
    make_silent_exporter,
)

REQUIRED_SIGNALS = required_signals(BUILTIN_RULES)
BY_METRIC = {rule.metric: rule for rule in BUILTIN_RULES}


def compute_reading(source: AnalysisInput) -> InstantReading:
    """What the two queries answer at the last instant of the input: the meaning of their PromQL, in Python."""
    at = source.at
    prefilter = [
        Sample(labels={"node_or_service": s.component, "rule": s.metric}, value=value, at=at)
        for s in source.series
        if (value := s.values[-1]) is not None
        and (not math.isfinite(value) or BY_METRIC[s.metric].is_breached(value, BY_METRIC[s.metric].clear_threshold))
    ]
    fresh: dict[str, int] = {}
    odd = []
    for s in source.freshness:
        if (age := s.values[-1]) is None:
            continue
        if (s.metric == COUNTER_MOVING and age == 0) or (s.metric != COUNTER_MOVING and age > source.max_age):
            odd.append(Sample(labels={"node_or_service": s.component, "signal": s.metric}, value=age, at=at))
        elif s.metric in REQUIRED_SIGNALS:
            fresh[s.component] = fresh.get(s.component, 0) + 1
    counts = [Sample(labels={"node_or_service": name}, value=float(n), at=at) for name, n in fresh.items()]
    return InstantReading(at, tuple(prefilter), (*counts, *odd), source.findings, source.committee, source.blind)


def observe_input(source: AnalysisInput) -> Observation:
    return observe(compute_reading(source), BUILTIN_RULES, SERVICES)


def test_healthy_headline_says_how_much_was_looked_at() -> None:
    """Healthy is a statement about rules and components, not about silence."""
    found = observe_input(make_analysis_input())
    assert found.headline == "healthy: 19 rules on 8 components"
    assert found.outcome == "healthy"


def test_an_empty_answer_is_not_healthy() -> None:
    """Prometheus answers success with nothing for a metric it does not know."""
    found = observe(InstantReading(at=1.0, committee=COMMITTEE), BUILTIN_RULES, SERVICES)
    assert found.blind_count == len(SERVICES) + len(MEMBERS)
    assert found.headline.startswith("blind: missing: 5 of 5 required signals on audit-log")
    assert found.outcome == "blind"


def test_violations_are_named_with_values() -> None:
    """The headline names the worst three with numbers, and how many more."""
    values: dict[tuple[str, str], SeriesValues] = {(name, "failure_rate"): 0.31 for name in MEMBERS[:4]}
    found = observe_input(make_analysis_input(values))
    assert found.headline == (
        "4 violations: failure_rate 0.31 > 0.1 on validator-1, failure_rate 0.31 > 0.1 on validator-2, "
        "failure_rate 0.31 > 0.1 on validator-3, +1 more"
    )


def test_a_value_between_the_limits_is_a_suspect() -> None:
    """Only the past tells whether it is violated, so the cycle goes on."""
    found = observe_input(make_analysis_input({("gateway", "failure_rate"): 0.095}))
    assert (found.suspects, found.violation_count, found.outcome) == (1, 0, "")
    assert found.headline == "1 value between the limits"


@pytest.mark.parametrize("fault", [make_silent_exporter, make_frozen_counters])
def test_exporter_faults_are_blind(fault: type) -> None:
    """Neither healthy nor violated."""
    found = observe_input(make_analysis_input(*fault("gateway", 3)))
    assert (found.violation_count, found.blind_count, found.outcome) == (0, 1, "blind")
    assert found.headline.startswith("blind: ")


def test_a_dead_member_is_violated() -> None:
    """With Charter's report, standing counters are a symptom."""
    source = make_analysis_input(
        *make_frozen_counters("validator-5", 4), findings=(make_finding("validator-5", "member_health", -20.0),)
    )
    found = observe_input(source)
    assert (found.violation_count, found.blind_count) == (2, 0)


def test_a_failed_remote_is_one_blind_spot() -> None:
    """Prometheus down says nothing about each component, and Charter's findings still show."""
    spot = BlindSpot(component="prometheus", signal="pre-filter", kind=BlindSpotKind.UNREACHABLE)
    reading = InstantReading(at=1.0, committee=COMMITTEE, blind=(spot,))
    found = observe(reading, BUILTIN_RULES, SERVICES)
    assert (found.blind, found.blind_remote) == ((spot,), True)


def test_an_observation_is_bounded() -> None:
    """However much is wrong, a history carries the worst few and the counts."""
    values: dict[tuple[str, str], SeriesValues] = {
        (name, metric): 1e9
        for name in (*SERVICES, *MEMBERS)
        for metric in HEALTHY_VALUES
        if metric not in ("committee_size", "audit_committee_size", "throughput_ops_per_sec")
    }
    found = observe_input(make_analysis_input(values))
    assert (len(found.violations), found.violation_count) == (MAX_SHOWN_ENTRIES, 16 * 8)


ARBITRARY_VALUES = st.one_of(st.none(), st.sampled_from([math.nan, math.inf, -math.inf, 0.0]), st.floats(-10, 3000))
ARBITRARY_AGES = st.sampled_from([None, 0.0, 1.0, 30.0, 31.0, 299.0])
COMPONENT_NAMES = (*SERVICES, "validator-1", "newcomer")


@settings(max_examples=100, deadline=None)
@given(
    values=st.dictionaries(
        st.tuples(st.sampled_from(COMPONENT_NAMES), st.sampled_from(sorted(HEALTHY_VALUES))),
        st.lists(ARBITRARY_VALUES, min_size=1, max_size=3),
        max_size=6,
    ),
    ages=st.dictionaries(
        st.tuples(
            st.sampled_from(COMPONENT_NAMES),
            st.sampled_from([*REQUIRED_SIGNALS, COUNTER_MOVING, "westworld_charter_violations_total"]),
        ),
        st.lists(ARBITRARY_AGES, min_size=1, max_size=2),
        max_size=4,
    ),
    reported=st.booleans(),
)
def test_the_quick_check_hides_nothing(
    values: dict[tuple[str, str], SeriesValues], ages: dict[tuple[str, str], SeriesValues], reported: bool
) -> None:
    """What the judgement finds violated, the quick check passes on; both are blind for the same components."""
    found = (make_finding("gateway", "member_health", -20.0),) if reported else ()
    source = make_analysis_input(values, ages, findings=found)
    quick, judged = observe_input(source), judge(source)
    assert {s.component for s in judged.blind} == {
        s.component for s in quick.blind
    } or quick.blind_count > MAX_SHOWN_ENTRIES
    if judged.violations:
        assert quick.outcome == ""
        assert quick.violation_count + quick.suspects >= len(judged.violations)
    if quick.outcome == "healthy":
        assert (judged.violations, judged.blind) == ((), ())
