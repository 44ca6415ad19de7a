"""What is diagnosed from the symptoms of each fault."""

import math

import pytest

from activities.analyze.diagnose import diagnose
from activities.analyze.settings import AnalyzeSettings
from activities.model.blindspot import Blindness, BlindSpot
from activities.model.charter import Committee, Member
from activities.model.diagnosis import Cause
from tests.support.analysis_inputs import COMMITTEE, MEMBERS, SERVICES, Line, finding, frozen, scene, since, vanished

SETTINGS = AnalyzeSettings()
Values = dict[tuple[str, str], Line]


def slow(*components: str, instants: int = 6) -> Values:
    """Symptoms of latency."""
    return {
        (name, metric): since(metric, value, instants)
        for name in components
        for metric, value in (("validation_latency_seconds", 2.4), ("metric_validation_latency_ns", 1e7))
    }


def late(metric: str, *components: str, value: float, instants: int = 6) -> Values:
    """One metric beyond its limit."""
    return {(name, metric): since(metric, value, instants) for name in components}


def failing(rates: dict[str, float], instants: int = 6) -> Values:
    """Failure rates."""
    return {(name, "failure_rate"): since("failure_rate", rate, instants) for name, rate in rates.items()}


def reports(*components: str) -> Values:
    return late("violation_report_latency_ms", *components, value=1995.0)


def notices(*components: str) -> Values:
    return late("audit_committee_notifications_total", *components, value=20.0)


def notifications(*components: str) -> Values:
    return late("committee_notification_latency_ms", *components, value=990.0)


def few_validators() -> Values:
    return slow(*MEMBERS)


def bad_policy(component: str) -> Values:
    return (
        failing({component: 0.3})
        | late("violations_total", component, value=30.0)
        | late("policy_load_duration_ms", component, value=995.0)
    )


def retry_cascade(component: str, others: tuple[str, ...]) -> Values:
    reached = (component, *others)
    return failing({component: 0.28} | dict.fromkeys(others, 0.2)) | reports(*reached) | notices(*reached)


CASES = {
    "few validators": (few_validators(), Cause.VALIDATION_LATENCY, "committee"),
    "few validators, the committee small": (
        few_validators() | late("committee_size", *SERVICES, *MEMBERS, value=3.0),
        Cause.VALIDATION_LATENCY,
        "committee",
    ),
    "bad policy of a service": (bad_policy("gateway"), Cause.POLICY_MISCONFIGURATION, "gateway"),
    "bad policy of a member": (bad_policy("validator-3"), Cause.POLICY_MISCONFIGURATION, "validator-3"),
    "cascade from the entry": (
        retry_cascade("gateway", ("policy-engine", "audit-log")),
        Cause.CASCADE,
        "gateway",
    ),
    "cascade from the last service": (
        retry_cascade("audit-log", ("policy-engine", "gateway")),
        Cause.CASCADE,
        "audit-log",
    ),
    "cascade from a member": (retry_cascade("validator-2", ("policy-engine", "gateway")), Cause.CASCADE, "validator-2"),
    "overload of a service": (slow("audit-log") | reports("audit-log"), Cause.OVERLOAD, "audit-log"),
    "overload of a member": (slow("validator-1") | reports("validator-1"), Cause.OVERLOAD, "validator-1"),
    "slow member": (slow("validator-4") | notifications("validator-4"), Cause.UNHEALTHY_MEMBER, "validator-4"),
    "slow service": (slow("policy-engine") | notifications("policy-engine"), Cause.UNHEALTHY_MEMBER, "policy-engine"),
}


@pytest.mark.parametrize(("values", "cause", "component"), CASES.values(), ids=CASES.keys())
def test_names_the_cause_of_each_fault(values: Values, cause: Cause, component: str) -> None:
    """The symptoms of a fault are given its cause, where it sits, and enough confidence to act."""
    diagnosis = diagnose(scene(values), SETTINGS)
    (found,) = diagnosis.root_causes
    assert (found.cause, found.component) == (cause, component)
    assert found.confidence == 0.85
    assert diagnosis.confidence >= 0.6
    assert set(found.pairs) == {v.key for v in diagnosis.violations}
    assert found.onset == diagnosis.at - 75.0


def test_dead_node_by_what_charter_reports() -> None:
    """A member whose counters stand still and that Charter reports is an unhealthy member, not a blind spot."""
    values, signals = frozen("validator-5", 5)
    source = scene(values, signals, findings=(finding("validator-5", "member_health", -80.0),))
    diagnosis = diagnose(source, SETTINGS)
    (found,) = diagnosis.root_causes
    assert (found.cause, found.component) == (Cause.UNHEALTHY_MEMBER, "validator-5")
    assert found.pairs == (("validator-5", "member_health"), ("validator-5", "throughput_ops_per_sec"))
    assert diagnosis.blind == ()


@pytest.mark.parametrize("instants", [1, 4, 20])
@pytest.mark.parametrize("component", ["gateway", "validator-2"])
@pytest.mark.parametrize("fault", [vanished, frozen])
def test_exporter_faults_have_no_cause(fault: type, component: str, instants: int) -> None:
    """An exporter that is silent or stands still makes a blind spot: no violation, no pattern, no cause."""
    diagnosis = diagnose(scene(*fault(component, instants)), SETTINGS)
    assert (diagnosis.violations, diagnosis.patterns, diagnosis.root_causes) == ((), (), ())
    assert {spot.component for spot in diagnosis.blind} == {component}
    assert diagnosis.headline.startswith("blind: ")


@pytest.mark.parametrize("lie", [math.nan, math.inf, -math.inf])
def test_lying_exporter_has_no_cause(lie: float) -> None:
    """NaN and infinities of one component set its other values aside."""
    values = late("validation_latency_seconds", "gateway", value=lie) | bad_policy("gateway")
    diagnosis = diagnose(scene(values), SETTINGS)
    assert (diagnosis.violations, diagnosis.root_causes) == ((), ())
    assert [spot.kind for spot in diagnosis.blind] == [Blindness.NAN]


def test_two_troubles_have_two_causes_with_disjoint_pairs() -> None:
    """A wrong policy on the gateway and a slow committee are told apart."""
    causes = diagnose(scene(few_validators() | bad_policy("gateway")), SETTINGS).root_causes
    assert {(c.cause, c.component) for c in causes} == {
        (Cause.POLICY_MISCONFIGURATION, "gateway"),
        (Cause.VALIDATION_LATENCY, "committee"),
    }
    assert not set(causes[0].pairs) & set(causes[1].pairs)


UNCLEAR = {
    "latency of one component, nothing else": slow("gateway"),
    "latency of two of five members": slow("validator-1", "validator-2"),
    "failures alone": failing({"gateway": 0.3}),
    "a small committee without latency": late("committee_size", *MEMBERS, value=3.0),
    "failures of two neighbours": failing({"gateway": 0.3, "policy-engine": 0.2}),
}


@pytest.mark.parametrize("values", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_part_of_the_symptoms_is_unknown(values: Values) -> None:
    """What fits no cause, or only in part as while a trouble builds up, is called unknown with confidence 0."""
    diagnosis = diagnose(scene(values), SETTINGS)
    (found,) = diagnosis.root_causes
    assert (found.cause, found.confidence, diagnosis.known) == (Cause.UNKNOWN, 0.0, False)
    assert set(found.pairs) == {v.key for v in diagnosis.violations}


def test_doubt_lowers_confidence() -> None:
    """Failures of a slow committee's members, and late reports of a slow member, leave too little confidence to act."""
    failing_members = diagnose(scene(few_validators() | failing(dict.fromkeys(MEMBERS, 0.3))), SETTINGS)
    both = slow("validator-1") | notifications("validator-1") | reports("validator-1")
    for diagnosis in (failing_members, diagnose(scene(both), SETTINGS)):
        assert diagnosis.root_causes[0].confidence < 0.6


def test_one_instant_is_no_pattern() -> None:
    """A single violation of a single instant has no pattern yet."""
    diagnosis = diagnose(scene(failing({"gateway": 0.3}, instants=1)), SETTINGS)
    assert diagnosis.headline == "unknown on gateway 0.00: 1 violation, no pattern yet"
    assert diagnosis.confidence == 0.0


def test_what_ended_has_no_cause() -> None:
    """Violations of the past leave patterns perhaps, but without one at the last instant there is no cause."""
    values = {("gateway", "failure_rate"): [0.3] * 8 + [0.002]}
    diagnosis = diagnose(scene(values), SETTINGS)
    assert (diagnosis.root_causes, diagnosis.violations) == ((), ())
    assert diagnosis.headline == "ended: what was violated is good again"
    assert diagnose(scene(), SETTINGS).headline == "healthy: no violation"


def test_headline_has_cause_confidence_and_numbers() -> None:
    """The headline can be acted upon without looking further."""
    assert diagnose(scene(few_validators()), SETTINGS).headline == (
        "validation_latency on committee 0.85: 5 of 5 validators above 1 s, 0 of them failing"
    )


@pytest.mark.parametrize("remote", ["prometheus", "charter"])
def test_a_remote_that_cannot_be_read_stops_everything(remote: str) -> None:
    """Nothing may act upon half a picture."""
    blind = (BlindSpot(component=remote, signal="query", kind=Blindness.UNREACHABLE, detail="refused"),)
    diagnosis = diagnose(scene(few_validators(), blind=blind), SETTINGS)
    assert diagnosis.root_causes == ()
    assert diagnosis.headline == f"blind: unreachable: query on {remote} (refused)"


def test_a_committee_that_contradicts_itself_stops_everything() -> None:
    """More healthy nodes than replicas is no state to scale from."""
    source = scene(few_validators(), committee=COMMITTEE.model_copy(update={"healthy_nodes": 6}))
    assert diagnose(source, SETTINGS).root_causes == ()


def test_members_charter_does_not_name() -> None:
    """A plain Charter names no members: then they are the components the topology does not name."""
    plain = Committee(replicas=5, healthy_nodes=5)
    (found,) = diagnose(scene(few_validators(), committee=plain), SETTINGS).root_causes
    assert (found.cause, found.component) == (Cause.VALIDATION_LATENCY, "committee")


def test_blind_members_are_not_in_the_majority() -> None:
    """A member that cannot be seen is neither slow nor well: three of the four visible ones decide."""
    values, signals = vanished("validator-5", 4)
    source = scene(slow("validator-1", "validator-2", "validator-3") | values, signals)
    (found,) = diagnose(source, SETTINGS).root_causes
    assert found.why.startswith("3 of 4 validators")


def test_callers_that_wait_for_the_committee_are_explained_by_it() -> None:
    """The gateway's latency is a consequence of a slow committee, not a cause of its own."""
    (found,) = diagnose(scene(slow(*MEMBERS, "policy-engine", "gateway")), SETTINGS).root_causes
    assert found.cause is Cause.VALIDATION_LATENCY
    assert ("gateway", "validation_latency_seconds") in found.pairs


def test_unhealthy_member_without_a_finding_waits() -> None:
    """The committee's state has no past: one look is no pattern, so no cause is named yet."""
    sick = tuple(Member(name=name, healthy=name != "validator-1") for name in MEMBERS)
    diagnosis = diagnose(scene(committee=Committee(replicas=5, healthy_nodes=4, members=sick)), SETTINGS)
    assert [v.text for v in diagnosis.violations] == ["member_health on validator-1"]
    assert not diagnosis.known


def test_history_limit_keeps_the_most_confident_patterns() -> None:
    """`pattern_history_limit` bounds a diagnosis."""
    few = diagnose(scene(few_validators()), AnalyzeSettings(pattern_history_limit=2))
    assert [pattern.confidence for pattern in few.patterns] == [0.85, 0.85]


def test_digest_is_left_to_the_caller() -> None:
    """A pure function does not know where its input is stored."""
    assert diagnose(scene(), SETTINGS).digest == ""
