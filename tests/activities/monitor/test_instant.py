"""The quick check of one instant."""

import math
from collections.abc import Callable

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


def compute_reading(analysis_input: AnalysisInput) -> InstantReading:
    """Return the answers of the two queries at the last instant of the input: the meaning of their PromQL in Python."""
    at = analysis_input.at
    prefilter = [
        Sample(labels={"node_or_service": s.component, "rule": s.metric}, value=value, at=at)
        for s in analysis_input.series
        if (value := s.values[-1]) is not None
        and (not math.isfinite(value) or BY_METRIC[s.metric].is_breached(value, BY_METRIC[s.metric].clear_threshold))
    ]
    fresh: dict[str, int] = {}
    abnormal = []
    for s in analysis_input.freshness:
        if (age := s.values[-1]) is None:
            continue
        if (s.metric == COUNTER_MOVING and age == 0) or (s.metric != COUNTER_MOVING and age > analysis_input.max_age):
            abnormal.append(Sample(labels={"node_or_service": s.component, "signal": s.metric}, value=age, at=at))
        elif s.metric in REQUIRED_SIGNALS:
            fresh[s.component] = fresh.get(s.component, 0) + 1
    counts = [Sample(labels={"node_or_service": name}, value=float(count), at=at) for name, count in fresh.items()]
    return InstantReading(
        at,
        tuple(prefilter),
        (*counts, *abnormal),
        analysis_input.findings,
        analysis_input.committee,
        analysis_input.blind,
    )


def observe_input(analysis_input: AnalysisInput) -> Observation:
    return observe(compute_reading(analysis_input), BUILTIN_RULES, SERVICES)


def test_healthy_headline_counts_rules_and_components() -> None:
    """The headline of a healthy observation has the number of rules and components."""
    observation = observe_input(make_analysis_input())
    assert observation.headline == "healthy: 19 rules on 8 components"
    assert observation.outcome == "healthy"


def test_empty_answer_is_blind() -> None:
    """Prometheus answers a query for an unknown metric with success and no series."""
    observation = observe(InstantReading(at=1.0, committee=COMMITTEE), BUILTIN_RULES, SERVICES)
    assert observation.blind_count == len(SERVICES) + len(MEMBERS)
    assert observation.headline.startswith("blind: missing: 5 of 5 required signals on audit-log")
    assert observation.outcome == "blind"


def test_headline_names_violations_with_values() -> None:
    """The headline names the first three violations with numbers, and counts the others."""
    values: dict[tuple[str, str], SeriesValues] = {(name, "failure_rate"): 0.31 for name in MEMBERS[:4]}
    observation = observe_input(make_analysis_input(values))
    assert observation.headline == (
        "4 violations: failure_rate 0.31 > 0.1 on validator-1, failure_rate 0.31 > 0.1 on validator-2, "
        "failure_rate 0.31 > 0.1 on validator-3, +1 more"
    )


def test_value_between_the_limits_is_a_suspect() -> None:
    """Only the judgement over the past decides about it, so the cycle continues."""
    observation = observe_input(make_analysis_input({("gateway", "failure_rate"): 0.095}))
    assert (observation.suspects, observation.violation_count, observation.outcome) == (1, 0, "")
    assert observation.headline == "1 value between the limits"


@pytest.mark.parametrize("fault", [make_silent_exporter, make_frozen_counters])
def test_exporter_faults_are_blind(
    fault: Callable[[str, int], tuple[dict[tuple[str, str], SeriesValues], dict[tuple[str, str], SeriesValues]]],
) -> None:
    """The observation is neither healthy nor violated."""
    observation = observe_input(make_analysis_input(*fault("gateway", 3)))
    assert (observation.violation_count, observation.blind_count, observation.outcome) == (0, 1, "blind")
    assert observation.headline.startswith("blind: ")


def test_dead_member_is_violated() -> None:
    """With a finding of Charter, frozen counters are a symptom."""
    analysis_input = make_analysis_input(
        *make_frozen_counters("validator-5", 4), findings=(make_finding("validator-5", "member_health", -20.0),)
    )
    observation = observe_input(analysis_input)
    assert (observation.violation_count, observation.blind_count) == (2, 0)


def test_failed_remote_is_one_blind_spot() -> None:
    """A Prometheus that fails is one blind spot, not one for each component."""
    spot = BlindSpot(component="prometheus", signal="pre-filter", kind=BlindSpotKind.UNREACHABLE)
    reading = InstantReading(at=1.0, committee=COMMITTEE, blind=(spot,))
    observation = observe(reading, BUILTIN_RULES, SERVICES)
    assert (observation.blind, observation.blind_remote) == ((spot,), True)


def test_observation_is_bounded() -> None:
    """An observation holds the most severe violations and the counts."""
    values: dict[tuple[str, str], SeriesValues] = {
        (name, metric): 1e9
        for name in (*SERVICES, *MEMBERS)
        for metric in HEALTHY_VALUES
        if metric not in ("committee_size", "audit_committee_size", "throughput_ops_per_sec")
    }
    observation = observe_input(make_analysis_input(values))
    assert (len(observation.violations), observation.violation_count) == (MAX_SHOWN_ENTRIES, 16 * 8)


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
def test_quick_check_finds_every_violation_of_the_judgement(
    values: dict[tuple[str, str], SeriesValues], ages: dict[tuple[str, str], SeriesValues], reported: bool
) -> None:
    """Each violation of the judgement is a violation or suspect, and the same components are blind."""
    findings = (make_finding("gateway", "member_health", -20.0),) if reported else ()
    analysis_input = make_analysis_input(values, ages, findings=findings)
    quick, judgement = observe_input(analysis_input), judge(analysis_input)
    assert {s.component for s in judgement.blind} == {
        s.component for s in quick.blind
    } or quick.blind_count > MAX_SHOWN_ENTRIES
    if judgement.violations:
        assert quick.outcome == ""
        assert quick.violation_count + quick.suspects >= len(judgement.violations)
    if quick.outcome == "healthy":
        assert (judgement.violations, judgement.blind) == ((), ())
