"""The plant without remedies: calm when nothing is wrong, the right symptoms when something is."""

import math

import pytest

from deploy.simulator.faults import FaultKind
from deploy.simulator.plant import Plant
from deploy.simulator.policies import NotNewestError, PolicyStatus
from deploy.simulator.records import ActionKind, ChangeOrigin, PolicySpec
from deploy.simulator.serializers import serialize_committee
from tests.deploy.simulator.metric_reader import read_window, scrape_plant

LATENCY_METRICS = {"mean_latency", "metric_validation_latency_ns"}


@pytest.mark.parametrize("seed", range(6))
def test_fault_free_plant_never_crosses_a_limit(seed: int) -> None:
    """Without a fault every short window is calm, with room: throughput above 150, p99 below 3.5 ms, mean below 1.5."""
    plant = Plant(1000.0, seed)
    for start in range(1000, 1300, 5):
        reading = read_window(plant, start, start + 4)
        assert reading.list_violations() == set()
        for name in plant.components:
            assert 300 < reading.compute_throughput(name) < 500
            assert 1e5 < reading.compute_p99("metric_validation_latency_ns", name) < 3.5e6
            assert 1e-5 < reading.compute_mean_latency(name) < 1.5e-3
            assert reading.compute_failure_rate(name) < 0.01


def test_healthy_windows_are_never_without_samples() -> None:
    """Every histogram gets samples in every few seconds, so that no quantile of a healthy component is NaN."""
    plant = Plant(0.0, 1)
    names = {name for name, _, _ in scrape_plant(plant).values if name.endswith("_bucket")}
    for start in range(0, 60, 5):
        reading = read_window(plant, start, start + 4)
        values = [reading.compute_p99(name.removesuffix("_bucket"), "gateway") for name in names]
        assert len(values) == 5
        assert not any(math.isnan(value) for value in values)


def test_course_does_not_depend_on_how_often_it_is_asked() -> None:
    """A plant asked once and one asked at odd moments end with identical metrics, fault and remedy included."""
    rare, often = Plant(0.0, 9), Plant(0.0, 9)
    for plant, step in ((rare, 40.0), (often, 0.37)):
        plant.advance(5.0)
        plant.inject_fault(FaultKind.FEW_VALIDATORS, "validator-2", 20.0)
        while plant.now + step < 40.0:
            plant.advance(plant.now + step)
        plant.advance(40.0)
    assert scrape_plant(rare).values == scrape_plant(often).values


def test_seed_decides_the_noise() -> None:
    """The same seed gives the same metrics, another one different ones."""
    plants = [Plant(0.0, seed) for seed in (1, 1, 2)]
    for plant in plants:
        plant.advance(20.0)
    first, same, other = (scrape_plant(plant).values for plant in plants)
    assert first == same
    assert first != other


@pytest.mark.parametrize(
    ("kind", "component", "expected"),
    [
        (FaultKind.FEW_VALIDATORS, "gateway", {f"validator-{number}": LATENCY_METRICS for number in range(1, 6)}),
        (FaultKind.REMEDY_WORSENS, "gateway", {f"validator-{number}": LATENCY_METRICS for number in range(1, 6)}),
        (
            FaultKind.BAD_POLICY,
            "validator-2",
            {"validator-2": {"failure_rate", "critical", "policy_load_duration_ms"}},
        ),
        (
            FaultKind.RETRY_CASCADE,
            "validator-2",
            {
                name: {"failure_rate", "violation_report_latency_ms", "audit_committee_notifications_total"}
                for name in ("validator-2", "gateway", "policy-engine")
            },
        ),
        (FaultKind.OVERLOAD, "validator-2", {"validator-2": {*LATENCY_METRICS, "violation_report_latency_ms"}}),
        (FaultKind.OVERLOAD, "policy-engine", {"policy-engine": {*LATENCY_METRICS, "violation_report_latency_ms"}}),
        (FaultKind.SLOW_NODE, "validator-2", {"validator-2": {*LATENCY_METRICS, "committee_notification_latency_ms"}}),
        (FaultKind.SLOW_NODE, "audit-log", {"audit-log": {*LATENCY_METRICS, "committee_notification_latency_ms"}}),
        (FaultKind.DEAD_NODE, "validator-2", {"validator-2": {"throughput"}}),
        (FaultKind.EXPORTER_SILENT, "validator-2", {}),
    ],
)
def test_symptoms_of_each_fault(kind: FaultKind, component: str, expected: dict[str, set[str]]) -> None:
    """A fault violates exactly the metrics that tell it apart, where it is and nowhere else."""
    plant = Plant(0.0, 4)
    plant.advance(10.0)
    plant.inject_fault(kind, component)
    reading = read_window(plant, 14.0, 18.0)
    assert reading.list_violations() == {(name, metric) for name, metrics in expected.items() for metric in metrics}
    for name, metrics in expected.items():
        assert reading.compute_mean_latency(name) > 1.8 or "mean_latency" not in metrics
        assert reading.compute_failure_rate(name) > 0.15 or "failure_rate" not in metrics


def test_slow_node_works_less_but_not_too_little() -> None:
    """A slow component's throughput drops, yet stays above its limit, and the others take over."""
    plant = Plant(0.0, 4)
    plant.inject_fault(FaultKind.SLOW_NODE, "validator-2")
    reading = read_window(plant, 6.0, 10.0)
    assert 100 < reading.compute_throughput("validator-2") < 300 < 400 < reading.compute_throughput("validator-3")


def test_silent_exporter_changes_nothing_but_its_series() -> None:
    """A silent exporter has no series; the other components' metrics are those of a plant without the fault."""
    silent, plain = Plant(0.0, 4), Plant(0.0, 4)
    silent.inject_fault(FaultKind.EXPORTER_SILENT, "validator-2")
    for plant in (silent, plain):
        plant.advance(20.0)
    shown, expected = scrape_plant(silent).values, scrape_plant(plain).values
    assert shown == {key: value for key, value in expected.items() if key[1] != "validator-2"}
    silent.clear_faults()
    assert scrape_plant(silent).values == expected


def test_lying_exporter_freezes_its_values_and_loses_its_sums() -> None:
    """A lying exporter repeats what it showed at the start, with NaN for the sums of its histograms."""
    plant = Plant(0.0, 4)
    plant.advance(10.0)
    truth = scrape_plant(plant)
    plant.inject_fault(FaultKind.EXPORTER_LYING, "gateway")
    plant.advance(30.0)
    for (name, component, labels), value in scrape_plant(plant).values.items():
        if component != "gateway":
            continue
        if name.endswith("_sum"):
            assert math.isnan(value)
        else:
            assert value == truth.values[name, component, labels]


def test_fault_ends_at_its_time() -> None:
    """A fault with a duration is gone after it."""
    plant = Plant(0.0, 4)
    plant.inject_fault(FaultKind.OVERLOAD, "gateway", 5.0)
    assert read_window(plant, 2.0, 5.0).list_violations()
    assert read_window(plant, 10.0, 14.0).list_violations() == set()
    assert plant.faults == []


def test_bad_policy_is_a_foreign_change_of_admission() -> None:
    """The broken version moves the generation of `admission` by one and names no key; healing moves it once more."""
    plant = Plant(0.0)
    before = plant.policies.knob("admission").generation
    plant.inject_fault(FaultKind.BAD_POLICY, "gateway")
    knob = plant.policies.knob("admission")
    assert knob.generation == before + 1
    assert knob.last_change
    assert knob.last_change.key is None
    plant.clear_faults()
    assert plant.policies.knob("admission").generation == before + 2


def test_dead_member_is_a_violation_of_charter_until_it_is_back() -> None:
    """Charter opens a critical member_health violation for a dead member and closes it after its restart."""
    plant = Plant(0.0)
    plant.advance(5.0)
    plant.inject_fault(FaultKind.DEAD_NODE, "validator-1")
    plant.advance(6.0)
    (found,) = plant.violation_detector.list_violations(None)
    assert (found.component, found.metric, found.severity) == ("validator-1", "member_health", "critical")
    assert found.closed_at is None
    state = serialize_committee(plant)
    assert (state["status"], state["healthy_nodes"]) == ("degraded", 4)
    assert [member["name"] for member in state["members"] if member["leader"]] == ["validator-2"]
    plant.restart("validator-1", True, ChangeOrigin("k"))
    plant.advance(12.0)
    assert found.closed_at is not None
    assert plant.violation_detector.list_violations(found.closed_at) == [found]
    assert plant.violation_detector.list_violations(found.closed_at + 0.001) == []
    assert serialize_committee(plant)["status"] == "normal"


def test_committee_below_quorum_fails_everywhere() -> None:
    """Two members are critical, and every component is beyond its failure rate."""
    plant = Plant(0.0)
    plant.scale(2, ChangeOrigin("k"))
    plant.advance(1.0)
    assert serialize_committee(plant)["status"] == "critical"
    failing = {name for name, metric in read_window(plant, 4.0, 8.0).list_violations() if metric == "failure_rate"}
    assert failing == set(plant.components)


def test_all_members_restart_one_at_a_time_leader_last() -> None:
    """A restart without a member never has two out at once, ends with the leader, and misses nobody."""
    plant = Plant(0.0)
    leader = plant.committee.leader
    plant.restart(None, True, ChangeOrigin("k"))
    order: list[str] = []
    while plant.restart_queue.is_busy:
        plant.advance(plant.now + 0.25)
        out = plant.restart_queue.components_down()
        assert len(out) <= 1
        order += [name for name in out if name not in order[-1:]]
    assert sorted(order) == sorted(plant.committee.member_names)
    assert order[-1] == leader


def test_override_is_counted_and_ends_by_itself() -> None:
    """An emergency override raises its gauge and counter, and the gauge falls when its duration is over."""
    plant = Plant(0.0)
    plant.apply_policy(
        PolicySpec("override", ActionKind.ACTIVATE_EMERGENCY_OVERRIDE, None, {"duration": 20}), ChangeOrigin("k")
    )
    plant.advance(5.0)
    now = scrape_plant(plant)
    assert now.sum_samples("emergency_override_active_count", "gateway") == 1
    assert now.sum_samples("emergency_override_total", "gateway") == 1
    plant.advance(25.0)
    assert scrape_plant(plant).sum_samples("emergency_override_active_count", "gateway") == 0


def test_ids_are_never_reused_and_undo_restores_the_version_before() -> None:
    """Apply, apply, undo, apply: four ids differ, the undo restored the first, only the newest can be undone."""
    plant = Plant(0.0)
    specs = [PolicySpec("x", ActionKind.THROTTLE_REQUESTS, None, {"rate_limit": limit}) for limit in (100, 200, 300)]
    first = plant.apply_policy(specs[0], ChangeOrigin("a"))
    second = plant.apply_policy(specs[1], ChangeOrigin("b"))
    with pytest.raises(NotNewestError):
        plant.undo_policy(first, ChangeOrigin("c"))
    assert plant.undo_policy(second, ChangeOrigin("d"))
    assert plant.policies.knob("x").active is first
    assert (first.status, second.status) == (PolicyStatus.ACTIVE, PolicyStatus.ROLLED_BACK)
    assert not plant.undo_policy(second, ChangeOrigin("e"))
    assert plant.policies.knob("x").generation == 3
    third = plant.apply_policy(specs[2], ChangeOrigin("f"))
    assert len({first.policy_id, second.policy_id, third.policy_id}) == 3
    assert plant.undo_policy(third, ChangeOrigin("g"))
    assert plant.undo_policy(first, ChangeOrigin("h"))
    assert plant.policies.knob("x").active is None
    assert [entry.generation_after for entry in plant.ledger] == [1, 2, 3, 4, 5, 6]


def test_newest_members_leave_first_but_not_those_in_trouble() -> None:
    """Scaling down dismisses the newest member that is well, so that it never cures a fault by accident."""
    plant = Plant(0.0)
    plant.inject_fault(FaultKind.SLOW_NODE, "validator-5")
    plant.scale(4, ChangeOrigin("k"))
    assert plant.committee.member_names == ("validator-1", "validator-2", "validator-3", "validator-5")
    assert len(plant.faults) == 1
    plant.scale(5, ChangeOrigin("l"))
    assert plant.committee.member_names == tuple(f"validator-{number}" for number in range(1, 6))
