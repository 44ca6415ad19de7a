"""The diagnosis of the symptoms of each fault."""

import math
from collections.abc import Callable

import pytest

from activities.analyze.diagnose import diagnose
from activities.analyze.settings import AnalyzeSettings
from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.charter import Committee, Member
from activities.model.diagnosis import Cause
from tests.support.analysis_inputs import (
    COMMITTEE,
    MEMBERS,
    SERVICES,
    SeriesValues,
    make_analysis_input,
    make_finding,
    make_frozen_counters,
    make_silent_exporter,
    make_values_since,
)

SETTINGS = AnalyzeSettings()
Values = dict[tuple[str, str], SeriesValues]


def make_slow_values(*components: str, instants: int = 6) -> Values:
    """Return the symptoms of latency."""
    return {
        (name, metric): make_values_since(metric, value, instants)
        for name in components
        for metric, value in (("validation_latency_seconds", 2.4), ("metric_validation_latency_ns", 1e7))
    }


def make_metric_violation(metric: str, *components: str, value: float, instants: int = 6) -> Values:
    """Return one metric beyond its threshold."""
    return {(name, metric): make_values_since(metric, value, instants) for name in components}


def make_failure_rates(rates: dict[str, float], instants: int = 6) -> Values:
    """Return failure rates beyond their threshold."""
    return {(name, "failure_rate"): make_values_since("failure_rate", rate, instants) for name, rate in rates.items()}


def make_reports(*components: str) -> Values:
    return make_metric_violation("violation_report_latency_ms", *components, value=1995.0)


def make_notices(*components: str) -> Values:
    return make_metric_violation("audit_committee_notifications_total", *components, value=20.0)


def make_notifications(*components: str) -> Values:
    return make_metric_violation("committee_notification_latency_ms", *components, value=990.0)


def make_few_validators() -> Values:
    return make_slow_values(*MEMBERS)


def make_bad_policy(component: str) -> Values:
    return (
        make_failure_rates({component: 0.3})
        | make_metric_violation("violations_total", component, value=30.0)
        | make_metric_violation("policy_load_duration_ms", component, value=995.0)
    )


def make_retry_cascade(component: str, other_components: tuple[str, ...]) -> Values:
    components = (component, *other_components)
    return (
        make_failure_rates({component: 0.28} | dict.fromkeys(other_components, 0.2))
        | make_reports(*components)
        | make_notices(*components)
    )


DIAGNOSIS_CASES = {
    "few validators": (make_few_validators(), Cause.VALIDATION_LATENCY, "committee"),
    "few validators, the committee small": (
        make_few_validators() | make_metric_violation("committee_size", *SERVICES, *MEMBERS, value=3.0),
        Cause.VALIDATION_LATENCY,
        "committee",
    ),
    "bad policy of a service": (make_bad_policy("gateway"), Cause.POLICY_MISCONFIGURATION, "gateway"),
    "bad policy of a member": (make_bad_policy("validator-3"), Cause.POLICY_MISCONFIGURATION, "validator-3"),
    "cascade from the entry": (
        make_retry_cascade("gateway", ("policy-engine", "audit-log")),
        Cause.CASCADE,
        "gateway",
    ),
    "cascade from the last service": (
        make_retry_cascade("audit-log", ("policy-engine", "gateway")),
        Cause.CASCADE,
        "audit-log",
    ),
    "cascade from a member": (
        make_retry_cascade("validator-2", ("policy-engine", "gateway")),
        Cause.CASCADE,
        "validator-2",
    ),
    "overload of a service": (make_slow_values("audit-log") | make_reports("audit-log"), Cause.OVERLOAD, "audit-log"),
    "overload of a member": (
        make_slow_values("validator-1") | make_reports("validator-1"),
        Cause.OVERLOAD,
        "validator-1",
    ),
    "slow member": (
        make_slow_values("validator-4") | make_notifications("validator-4"),
        Cause.UNHEALTHY_MEMBER,
        "validator-4",
    ),
    "slow service": (
        make_slow_values("policy-engine") | make_notifications("policy-engine"),
        Cause.UNHEALTHY_MEMBER,
        "policy-engine",
    ),
}


@pytest.mark.parametrize(
    ("values", "expected_cause", "component"), DIAGNOSIS_CASES.values(), ids=DIAGNOSIS_CASES.keys()
)
def test_each_fault_has_its_cause(values: Values, expected_cause: Cause, component: str) -> None:
    """The diagnosis has cause, component and enough confidence to act."""
    diagnosis = diagnose(make_analysis_input(values), SETTINGS)
    (cause,) = diagnosis.root_causes
    assert (cause.cause, cause.component) == (expected_cause, component)
    assert cause.confidence == 0.85
    assert diagnosis.confidence >= 0.6
    assert set(cause.violated_pairs) == {v.key for v in diagnosis.violations}
    assert cause.onset == diagnosis.at - 75.0


def test_dead_member_has_a_cause() -> None:
    """A member with frozen counters and a finding of Charter is an unhealthy member, not a blind spot."""
    values, signals = make_frozen_counters("validator-5", 5)
    analysis_input = make_analysis_input(
        values, signals, findings=(make_finding("validator-5", "member_health", -80.0),)
    )
    diagnosis = diagnose(analysis_input, SETTINGS)
    (cause,) = diagnosis.root_causes
    assert (cause.cause, cause.component) == (Cause.UNHEALTHY_MEMBER, "validator-5")
    assert cause.violated_pairs == (("validator-5", "member_health"), ("validator-5", "throughput_ops_per_sec"))
    assert diagnosis.blind == ()


@pytest.mark.parametrize("instants", [1, 4, 20])
@pytest.mark.parametrize("component", ["gateway", "validator-2"])
@pytest.mark.parametrize("fault", [make_silent_exporter, make_frozen_counters])
def test_exporter_faults_have_no_cause(
    fault: Callable[[str, int], tuple[Values, Values]], component: str, instants: int
) -> None:
    """An exporter that is silent or frozen is a blind spot: no violation, no pattern, no cause."""
    diagnosis = diagnose(make_analysis_input(*fault(component, instants)), SETTINGS)
    assert (diagnosis.violations, diagnosis.patterns, diagnosis.root_causes) == ((), (), ())
    assert {spot.component for spot in diagnosis.blind} == {component}
    assert diagnosis.headline.startswith("blind: ")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_values_have_no_cause(value: float) -> None:
    """NaN and infinities of one component exclude its other values."""
    values = make_metric_violation("validation_latency_seconds", "gateway", value=value) | make_bad_policy("gateway")
    diagnosis = diagnose(make_analysis_input(values), SETTINGS)
    assert (diagnosis.violations, diagnosis.root_causes) == ((), ())
    assert [spot.kind for spot in diagnosis.blind] == [BlindSpotKind.NAN]


def test_two_faults_have_two_causes_with_disjoint_pairs() -> None:
    """A wrong policy on the gateway and a slow committee are separate causes."""
    causes = diagnose(make_analysis_input(make_few_validators() | make_bad_policy("gateway")), SETTINGS).root_causes
    assert {(c.cause, c.component) for c in causes} == {
        (Cause.POLICY_MISCONFIGURATION, "gateway"),
        (Cause.VALIDATION_LATENCY, "committee"),
    }
    assert not set(causes[0].violated_pairs) & set(causes[1].violated_pairs)


UNCLEAR_CASES = {
    "latency of one component, nothing else": make_slow_values("gateway"),
    "latency of two of five members": make_slow_values("validator-1", "validator-2"),
    "failures alone": make_failure_rates({"gateway": 0.3}),
    "a small committee without latency": make_metric_violation("committee_size", *MEMBERS, value=3.0),
    "failures of two neighbours": make_failure_rates({"gateway": 0.3, "policy-engine": 0.2}),
}


@pytest.mark.parametrize("values", UNCLEAR_CASES.values(), ids=UNCLEAR_CASES.keys())
def test_incomplete_symptoms_are_unknown(values: Values) -> None:
    """Symptoms that match no cause, or only in part, are unknown with confidence 0."""
    diagnosis = diagnose(make_analysis_input(values), SETTINGS)
    (cause,) = diagnosis.root_causes
    assert (cause.cause, cause.confidence, diagnosis.has_known_cause) == (Cause.UNKNOWN, 0.0, False)
    assert set(cause.violated_pairs) == {v.key for v in diagnosis.violations}


def test_contradicting_symptoms_lower_the_confidence() -> None:
    """Failures of slow members, and late reports of a slow member, leave too little confidence to act."""
    failing_members = diagnose(
        make_analysis_input(make_few_validators() | make_failure_rates(dict.fromkeys(MEMBERS, 0.3))), SETTINGS
    )
    late_member = make_slow_values("validator-1") | make_notifications("validator-1") | make_reports("validator-1")
    for diagnosis in (failing_members, diagnose(make_analysis_input(late_member), SETTINGS)):
        assert diagnosis.root_causes[0].confidence < 0.6


def test_one_instant_is_no_pattern() -> None:
    """One violation at one instant is not a pattern yet."""
    diagnosis = diagnose(make_analysis_input(make_failure_rates({"gateway": 0.3}, instants=1)), SETTINGS)
    assert diagnosis.headline == "unknown on gateway 0.00: 1 violation, no pattern yet"
    assert diagnosis.confidence == 0.0


def test_ended_violation_has_no_cause() -> None:
    """Without a violation at the last instant there is no cause."""
    values = {("gateway", "failure_rate"): [0.3] * 8 + [0.002]}
    diagnosis = diagnose(make_analysis_input(values), SETTINGS)
    assert (diagnosis.root_causes, diagnosis.violations) == ((), ())
    assert diagnosis.headline == "ended: no violation any more"
    assert diagnose(make_analysis_input(), SETTINGS).headline == "healthy: no violation"


def test_headline_has_cause_confidence_and_numbers() -> None:
    """The headline has the cause, its component, its confidence and the numbers behind it."""
    assert diagnose(make_analysis_input(make_few_validators()), SETTINGS).headline == (
        "validation_latency on committee 0.85: 5 of 5 validators above 1 s, 0 of them failing"
    )


@pytest.mark.parametrize("remote", ["prometheus", "charter"])
def test_unreachable_remote_prevents_a_cause(remote: str) -> None:
    """The loop must not act on incomplete data."""
    blind = (BlindSpot(component=remote, signal="query", kind=BlindSpotKind.UNREACHABLE, detail="refused"),)
    diagnosis = diagnose(make_analysis_input(make_few_validators(), blind=blind), SETTINGS)
    assert diagnosis.root_causes == ()
    assert diagnosis.headline == f"blind: unreachable: query on {remote} (refused)"


def test_contradictory_committee_prevents_a_cause() -> None:
    """More healthy nodes than replicas are not a state to scale from."""
    analysis_input = make_analysis_input(
        make_few_validators(), committee=COMMITTEE.model_copy(update={"healthy_nodes": 6})
    )
    assert diagnose(analysis_input, SETTINGS).root_causes == ()


def test_members_without_names_are_the_components_outside_the_topology() -> None:
    """A plain Charter names no members."""
    without_names = Committee(replicas=5, healthy_nodes=5)
    (cause,) = diagnose(make_analysis_input(make_few_validators(), committee=without_names), SETTINGS).root_causes
    assert (cause.cause, cause.component) == (Cause.VALIDATION_LATENCY, "committee")


def test_blind_members_do_not_count() -> None:
    """A blind member is neither slow nor healthy: three of the four visible ones are a majority."""
    values, signals = make_silent_exporter("validator-5", 4)
    analysis_input = make_analysis_input(
        make_slow_values("validator-1", "validator-2", "validator-3") | values, signals
    )
    (cause,) = diagnose(analysis_input, SETTINGS).root_causes
    assert cause.reason.startswith("3 of 4 validators")


def test_slow_callers_of_a_slow_committee_are_explained() -> None:
    """The gateway's latency is a consequence of the slow committee, not a separate cause."""
    (cause,) = diagnose(
        make_analysis_input(make_slow_values(*MEMBERS, "policy-engine", "gateway")), SETTINGS
    ).root_causes
    assert cause.cause is Cause.VALIDATION_LATENCY
    assert ("gateway", "validation_latency_seconds") in cause.violated_pairs


def test_unhealthy_member_without_a_finding_has_no_cause_yet() -> None:
    """The committee's state has no past, so one observation is not a pattern."""
    members = tuple(Member(name=name, healthy=name != "validator-1") for name in MEMBERS)
    diagnosis = diagnose(
        make_analysis_input(committee=Committee(replicas=5, healthy_nodes=4, members=members)), SETTINGS
    )
    assert [v.summary for v in diagnosis.violations] == ["member_health on validator-1"]
    assert not diagnosis.has_known_cause


def test_history_limit_keeps_the_most_confident_patterns() -> None:
    """`pattern_history_limit` bounds a diagnosis."""
    diagnosis = diagnose(make_analysis_input(make_few_validators()), AnalyzeSettings(pattern_history_limit=2))
    assert [pattern.confidence for pattern in diagnosis.patterns] == [0.85, 0.85]


def test_digest_is_empty() -> None:
    """The caller adds the digest."""
    assert diagnose(make_analysis_input(), SETTINGS).digest == ""
