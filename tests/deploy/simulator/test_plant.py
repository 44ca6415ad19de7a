"""The plant without remedies: no violation without a fault, and the expected symptoms of each fault."""

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
    """Without a fault every window has throughput above 300/s, p99 below 3.5 ms and mean below 1.5 ms."""
    plant = Plant(1000.0, seed)
    for start in range(1000, 1300, 5):
        reading = read_window(plant, start, start + 4)
        assert reading.list_violations() == set()
        for name in plant.components:
            assert 300 < reading.compute_throughput(name) < 500
            assert 1e5 < reading.compute_p99("metric_validation_latency_ns", name) < 3.5e6
            assert 1e-5 < reading.compute_mean_latency(name) < 1.5e-3
            assert reading.compute_failure_rate(name) < 0.01


def test_healthy_windows_always_have_samples() -> None:
    """Every histogram gets samples within 4 seconds, so no quantile of a healthy component is NaN."""
    plant = Plant(0.0, 1)
    names = {name for name, _, _ in scrape_plant(plant).values if name.endswith("_bucket")}
    for start in range(0, 60, 5):
        reading = read_window(plant, start, start + 4)
        values = [reading.compute_p99(name.removesuffix("_bucket"), "gateway") for name in names]
        assert len(values) == 5
        assert not any(math.isnan(value) for value in values)


def test_result_is_independent_of_the_step() -> None:
    """Plants advanced in large and in small steps end with the same metrics."""
    rare, often = Plant(0.0, 9), Plant(0.0, 9)
    for plant, step in ((rare, 40.0), (often, 0.37)):
        plant.advance(5.0)
        plant.inject_fault(FaultKind.FEW_VALIDATORS, "validator-2", 20.0)
        while plant.now + step < 40.0:
            plant.advance(plant.now + step)
        plant.advance(40.0)
    assert scrape_plant(rare).values == scrape_plant(often).values


def test_seed_determines_the_noise() -> None:
    """Equal seeds give equal metrics, different seeds different ones."""
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
    """A fault violates exactly its characteristic metrics at the expected components."""
    plant = Plant(0.0, 4)
    plant.advance(10.0)
    plant.inject_fault(kind, component)
    reading = read_window(plant, 14.0, 18.0)
    assert reading.list_violations() == {(name, metric) for name, metrics in expected.items() for metric in metrics}
    for name, metrics in expected.items():
        assert reading.compute_mean_latency(name) > 1.8 or "mean_latency" not in metrics
        assert reading.compute_failure_rate(name) > 0.15 or "failure_rate" not in metrics


def test_slow_node_keeps_minimum_throughput() -> None:
    """A slow component's throughput drops but stays above its limit; the others take over."""
    plant = Plant(0.0, 4)
    plant.inject_fault(FaultKind.SLOW_NODE, "validator-2")
    reading = read_window(plant, 6.0, 10.0)
    assert 100 < reading.compute_throughput("validator-2") < 300 < 400 < reading.compute_throughput("validator-3")


def test_silent_exporter_removes_only_its_series() -> None:
    """A silent exporter has no series; the other components' metrics equal a plant without the fault."""
    silent, healthy = Plant(0.0, 4), Plant(0.0, 4)
    silent.inject_fault(FaultKind.EXPORTER_SILENT, "validator-2")
    for plant in (silent, healthy):
        plant.advance(20.0)
    actual, expected = scrape_plant(silent).values, scrape_plant(healthy).values
    assert actual == {key: value for key, value in expected.items() if key[1] != "validator-2"}
    silent.clear_faults()
    assert scrape_plant(silent).values == expected


def test_lying_exporter_freezes_its_values_and_loses_its_sums() -> None:
    """A lying exporter repeats its values from the start, with NaN for the sums of histograms."""
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
    """A fault with a duration ends after it."""
    plant = Plant(0.0, 4)
    plant.inject_fault(FaultKind.OVERLOAD, "gateway", 5.0)
    assert read_window(plant, 2.0, 5.0).list_violations()
    assert read_window(plant, 10.0, 14.0).list_violations() == set()
    assert plant.faults == []


def test_bad_policy_is_a_foreign_change_of_admission() -> None:
    """The broken version increments the generation of `admission` and has no key; healing increments it again."""
    plant = Plant(0.0)
    before = plant.policies.knob("admission").generation
    plant.inject_fault(FaultKind.BAD_POLICY, "gateway")
    knob = plant.policies.knob("admission")
    assert knob.generation == before + 1
    assert knob.last_change
    assert knob.last_change.key is None
    plant.clear_faults()
    assert plant.policies.knob("admission").generation == before + 2


def test_dead_member_is_a_violation_of_charter_until_its_restart() -> None:
    """Charter opens a critical member_health violation for a dead member and closes it after its restart."""
    plant = Plant(0.0)
    plant.advance(5.0)
    plant.inject_fault(FaultKind.DEAD_NODE, "validator-1")
    plant.advance(6.0)
    (violation,) = plant.violation_detector.list_violations(None)
    assert (violation.component, violation.metric, violation.severity) == ("validator-1", "member_health", "critical")
    assert violation.closed_at is None
    state = serialize_committee(plant)
    assert (state["status"], state["healthy_nodes"]) == ("degraded", 4)
    assert [member["name"] for member in state["members"] if member["leader"]] == ["validator-2"]
    plant.restart("validator-1", True, ChangeOrigin("k"))
    plant.advance(12.0)
    assert violation.closed_at is not None
    assert plant.violation_detector.list_violations(violation.closed_at) == [violation]
    assert plant.violation_detector.list_violations(violation.closed_at + 0.001) == []
    assert serialize_committee(plant)["status"] == "normal"


def test_committee_below_quorum_fails_everywhere() -> None:
    """With two members the status is critical, and every component exceeds its failure rate."""
    plant = Plant(0.0)
    plant.scale(2, ChangeOrigin("k"))
    plant.advance(1.0)
    assert serialize_committee(plant)["status"] == "critical"
    failing = {name for name, metric in read_window(plant, 4.0, 8.0).list_violations() if metric == "failure_rate"}
    assert failing == set(plant.components)


def test_all_members_restart_one_at_a_time_leader_last() -> None:
    """A restart of all members stops one at a time, includes every member and ends with the leader."""
    plant = Plant(0.0)
    leader = plant.committee.leader
    plant.restart(None, True, ChangeOrigin("k"))
    order: list[str] = []
    while plant.restart_queue.is_busy:
        plant.advance(plant.now + 0.25)
        down = plant.restart_queue.components_down()
        assert len(down) <= 1
        order += [name for name in down if name not in order[-1:]]
    assert sorted(order) == sorted(plant.committee.member_names)
    assert order[-1] == leader


def test_override_is_counted_and_ends_after_its_duration() -> None:
    """An emergency override sets its gauge and counter; the gauge falls after its duration."""
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


def test_ids_are_unique_and_undo_restores_the_previous_version() -> None:
    """All ids differ, an undo restores the previous version, and only the newest can be undone."""
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


def test_newest_healthy_members_leave_first() -> None:
    """Scaling down removes the newest healthy member, so it never cures a fault by accident."""
    plant = Plant(0.0)
    plant.inject_fault(FaultKind.SLOW_NODE, "validator-5")
    plant.scale(4, ChangeOrigin("k"))
    assert plant.committee.member_names == ("validator-1", "validator-2", "validator-3", "validator-5")
    assert len(plant.faults) == 1
    plant.scale(5, ChangeOrigin("l"))
    assert plant.committee.member_names == tuple(f"validator-{number}" for number in range(1, 6))
