"""The effect of every action on every fault, in virtual time, measured with the plant's metrics."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from deploy.simulator.faults import FaultKind
from deploy.simulator.plant import Plant
from deploy.simulator.records import ActionKind, ChangeOrigin, EffectDirection, PolicySpec
from tests.deploy.simulator.metric_reader import MetricWindow, read_window

CHANGE_ORIGIN = ChangeOrigin("3fa9c1d2e4b5-0-do", "3fa9c1d2e4b5")
FAULT_AT_SECONDS, ACTION_AT_SECONDS = 10.0, 16.0
"""Start of the fault and time of the action, in virtual time."""

PlantChange = Callable[[Plant], None]


@dataclass(frozen=True)
class PlantAction:
    """An action with the expected kind in the ledger."""

    label: str
    kind: ActionKind
    apply: PlantChange


def make_policy_action(
    kind: ActionKind, component: str | None, name: str | None = None, **parameters: object
) -> PlantAction:
    spec = PolicySpec(name or f"{kind.lower().replace('_', '-')}.{component}", kind, component, parameters)

    def apply(plant: Plant) -> None:
        plant.apply_policy(spec, CHANGE_ORIGIN)

    return PlantAction(f"{kind}@{component}", kind, apply)


def make_scale_action(replicas: int) -> PlantAction:
    def apply(plant: Plant) -> None:
        plant.scale(replicas, CHANGE_ORIGIN)

    kind = ActionKind.SCALE_UP if replicas >= 5 else ActionKind.SCALE_DOWN
    return PlantAction(f"scale-{replicas}", kind, apply)


def make_restart_action(member: str | None) -> PlantAction:
    def apply(plant: Plant) -> None:
        plant.restart(member, True, CHANGE_ORIGIN)

    return PlantAction(f"restart-{member}", ActionKind.RESTART_SERVICE, apply)


def make_throttle_action(component: str | None) -> PlantAction:
    return make_policy_action(ActionKind.THROTTLE_REQUESTS, component, rate_limit=300)


def make_rebalance_action(component: str | None) -> PlantAction:
    return make_policy_action(ActionKind.REBALANCE_LOAD, component, strategy="least_loaded")


def make_configure_action(component: str | None) -> PlantAction:
    return make_policy_action(ActionKind.UPDATE_CONFIGURATION, component, batch_size=64, parallelism=8)


def make_override_action(component: str | None) -> PlantAction:
    return make_policy_action(ActionKind.ACTIVATE_EMERGENCY_OVERRIDE, component, duration=300)


def make_bypass_action(component: str | None) -> PlantAction:
    return make_policy_action(ActionKind.BYPASS_VALIDATION, component)


def make_rules_action(component: str | None = None) -> PlantAction:
    return make_policy_action(ActionKind.APPLY_POLICY, component, "admission", ruleset="strict-v1")


HELPS, NO_EFFECT, HARMS = "helps", "nothing", "harms"
EffectCase = tuple[FaultKind, str, str, list[PlantAction]]
EFFECT_CASES: list[EffectCase] = [
    (
        FaultKind.FEW_VALIDATORS,
        "validator-3",
        HELPS,
        [
            make_scale_action(6),
            make_scale_action(7),
            make_throttle_action("gateway"),
            make_throttle_action(None),
            make_configure_action("policy-engine"),
            make_configure_action(None),
        ],
    ),
    (
        FaultKind.FEW_VALIDATORS,
        "validator-3",
        NO_EFFECT,
        [make_rules_action(), make_rebalance_action("validator-3"), make_bypass_action("validator-3")],
    ),
    (
        FaultKind.FEW_VALIDATORS,
        "validator-5",
        HARMS,
        [make_restart_action("validator-2"), make_restart_action(None), make_scale_action(4)],
    ),
    (
        FaultKind.BAD_POLICY,
        "validator-3",
        HELPS,
        [make_rules_action(), make_rules_action("validator-3"), make_bypass_action("validator-3")],
    ),
    (
        FaultKind.BAD_POLICY,
        "gateway",
        HELPS,
        [make_rules_action(), make_bypass_action("gateway"), make_bypass_action(None)],
    ),
    (
        FaultKind.BAD_POLICY,
        "validator-3",
        NO_EFFECT,
        [make_scale_action(6), make_rebalance_action("validator-3"), make_throttle_action("audit-log")],
    ),
    (FaultKind.BAD_POLICY, "validator-3", HARMS, [make_configure_action("validator-3"), make_configure_action(None)]),
    (FaultKind.BAD_POLICY, "gateway", HARMS, [make_configure_action("gateway")]),
    (
        FaultKind.RETRY_CASCADE,
        "validator-3",
        HELPS,
        [make_throttle_action("gateway"), make_throttle_action("validator-3"), make_override_action(None)],
    ),
    (
        FaultKind.RETRY_CASCADE,
        "audit-log",
        HELPS,
        [make_throttle_action("gateway"), make_throttle_action("audit-log"), make_override_action("gateway")],
    ),
    (
        FaultKind.RETRY_CASCADE,
        "validator-3",
        NO_EFFECT,
        [make_rules_action(), make_rebalance_action("validator-3"), make_scale_action(6)],
    ),
    (FaultKind.RETRY_CASCADE, "validator-3", HARMS, [make_restart_action("validator-3"), make_restart_action(None)]),
    (FaultKind.RETRY_CASCADE, "gateway", HARMS, [make_restart_action("gateway")]),
    (
        FaultKind.OVERLOAD,
        "validator-3",
        HELPS,
        [make_rebalance_action("validator-3"), make_throttle_action("validator-3")],
    ),
    (
        FaultKind.OVERLOAD,
        "gateway",
        HELPS,
        [make_rebalance_action("gateway"), make_throttle_action("gateway"), make_rebalance_action(None)],
    ),
    (
        FaultKind.OVERLOAD,
        "validator-3",
        NO_EFFECT,
        [make_rules_action(), make_scale_action(6), make_rebalance_action("validator-4")],
    ),
    (FaultKind.OVERLOAD, "validator-5", HARMS, [make_restart_action("validator-5"), make_scale_action(4)]),
    (FaultKind.OVERLOAD, "gateway", HARMS, [make_restart_action("gateway")]),
    (
        FaultKind.SLOW_NODE,
        "validator-3",
        HELPS,
        [make_restart_action("validator-3"), make_restart_action(None), make_rebalance_action("validator-3")],
    ),
    (
        FaultKind.SLOW_NODE,
        "audit-log",
        HELPS,
        [make_restart_action("audit-log"), make_rebalance_action("audit-log"), make_configure_action("audit-log")],
    ),
    (
        FaultKind.SLOW_NODE,
        "validator-3",
        NO_EFFECT,
        [make_rules_action(), make_bypass_action("validator-3"), make_override_action(None)],
    ),
    (FaultKind.SLOW_NODE, "validator-5", HARMS, [make_scale_action(4)]),
    (
        FaultKind.DEAD_NODE,
        "validator-3",
        HELPS,
        [make_restart_action("validator-3"), make_restart_action(None), make_scale_action(6)],
    ),
    (FaultKind.DEAD_NODE, "audit-log", HELPS, [make_restart_action("audit-log")]),
    (
        FaultKind.DEAD_NODE,
        "validator-3",
        NO_EFFECT,
        [make_rules_action(), make_throttle_action("audit-log"), make_rebalance_action("validator-3")],
    ),
    (FaultKind.DEAD_NODE, "validator-5", HARMS, [make_scale_action(4)]),
    (
        FaultKind.REMEDY_WORSENS,
        "validator-3",
        HELPS,
        [make_throttle_action("gateway"), make_configure_action("policy-engine"), make_configure_action(None)],
    ),
    (
        FaultKind.REMEDY_WORSENS,
        "validator-3",
        NO_EFFECT,
        [make_rules_action(), make_rebalance_action("validator-3"), make_bypass_action("validator-3")],
    ),
    (
        FaultKind.REMEDY_WORSENS,
        "validator-3",
        HARMS,
        [make_scale_action(6), make_scale_action(7), make_restart_action("validator-2")],
    ),
]
EFFECT_PARAMETERS = [
    pytest.param(kind, component, claim, action, id=f"{kind}:{component}-{action.label}-{claim}")
    for kind, component, claim, actions in EFFECT_CASES
    for action in actions
]


def run_faulty_plant(kind: FaultKind, component: str, seed: int = 3) -> tuple[Plant, MetricWindow]:
    """Return a plant six seconds after a fault, with its metrics."""
    plant = Plant(0.0, seed)
    plant.advance(FAULT_AT_SECONDS)
    plant.inject_fault(kind, component)
    return plant, read_window(plant, ACTION_AT_SECONDS - 4, ACTION_AT_SECONDS)


@pytest.mark.parametrize(("kind", "component", "claim", "action"), EFFECT_PARAMETERS)
def test_effect_of_action_on_fault(kind: FaultKind, component: str, claim: str, action: PlantAction) -> None:
    """Each action helps, has no effect or harms as in the table, by violations or by magnitude."""
    plant, before = run_faulty_plant(kind, component)
    assert before.list_violations()
    action.apply(plant)
    during = [read_window(plant, start, start + 2) for start in (17.0, 19.0, 21.0, 23.0)]
    after = read_window(plant, 26, 30)
    if claim == HELPS:
        assert after.list_violations() == set()
        assert after.compute_magnitude() < 0.3
    elif claim == NO_EFFECT:
        local = {pair for pair in before.list_violations() if pair[0] == component}
        assert local <= after.list_violations()
        assert after.list_violations() == before.list_violations()
        assert after.compute_magnitude() == pytest.approx(before.compute_magnitude(), rel=0.2, abs=0.1)
    else:
        assert any(
            len(reading.list_violations()) > len(before.list_violations())
            or reading.compute_magnitude() > 1.25 * before.compute_magnitude()
            for reading in during
        )


@pytest.mark.parametrize(("kind", "component", "claim", "action"), EFFECT_PARAMETERS)
def test_ledger_has_exactly_the_effect(kind: FaultKind, component: str, claim: str, action: PlantAction) -> None:
    """One action adds one ledger entry with its key and the next generation; faults add none."""
    plant, _ = run_faulty_plant(kind, component)
    assert plant.ledger == []
    action.apply(plant)
    plant.advance(30)
    (entry,) = plant.ledger
    assert (entry.effect, entry.kind, entry.key) == (EffectDirection.APPLIED, action.kind, CHANGE_ORIGIN.key)
    assert entry.generation_after == entry.generation_before + 1


def test_every_fault_has_remedies_and_traps() -> None:
    """For each visible fault at least two actions help, one has no effect and one harms."""
    exporter_faults = {FaultKind.EXPORTER_SILENT, FaultKind.EXPORTER_LYING}
    for kind in set(FaultKind) - exporter_faults:
        counts = {
            claim: sum(
                len(actions)
                for case_kind, _, case_claim, actions in EFFECT_CASES
                if (case_kind, case_claim) == (kind, claim)
            )
            for claim in (HELPS, NO_EFFECT, HARMS)
        }
        assert counts[HELPS] >= 2, kind
        assert counts[NO_EFFECT] >= 1, kind
        assert counts[HARMS] >= 1, kind


def test_undo_of_scaling_restores_the_previous_state() -> None:
    """After a harmful scale-up the undo restores exactly the previous violations."""
    plant, before = run_faulty_plant(FaultKind.REMEDY_WORSENS, "validator-3")
    plant.scale(6, CHANGE_ORIGIN)
    worse = read_window(plant, ACTION_AT_SECONDS + 6, ACTION_AT_SECONDS + 9)
    assert ("gateway", "failure_rate") in worse.list_violations()
    assert len(worse.list_violations()) > len(before.list_violations())
    plant.scale(5, ChangeOrigin("3fa9c1d2e4b5-0-undo"))
    assert (
        read_window(plant, ACTION_AT_SECONDS + 19, ACTION_AT_SECONDS + 23).list_violations() == before.list_violations()
    )
    assert [entry.effect for entry in plant.ledger] == [EffectDirection.APPLIED, EffectDirection.ROLLED_BACK]
    assert {entry.kind for entry in plant.ledger} == {ActionKind.SCALE_UP}


def test_undo_of_the_cure_restores_the_broken_policy() -> None:
    """The rollback of a good `admission` restores the broken version with its symptoms."""
    plant, before = run_faulty_plant(FaultKind.BAD_POLICY, "gateway")
    application = plant.apply_policy(
        PolicySpec("admission", ActionKind.APPLY_POLICY, None, {"ruleset": "strict-v1"}), CHANGE_ORIGIN
    )
    assert read_window(plant, 24, 28).list_violations() == set()
    assert plant.faults == []
    assert plant.undo_policy(application, CHANGE_ORIGIN)
    assert read_window(plant, 34, 38).list_violations() == before.list_violations()
    assert [fault.kind for fault in plant.faults] == [FaultKind.BAD_POLICY]


def test_larger_batches_make_a_broken_policy_worse() -> None:
    """With a broken policy a larger batch raises the failure rate and spreads it to a neighbour."""
    plant, before = run_faulty_plant(FaultKind.BAD_POLICY, "gateway")
    make_configure_action("gateway").apply(plant)
    after = read_window(plant, ACTION_AT_SECONDS + 2, ACTION_AT_SECONDS + 6)
    assert after.compute_failure_rate("gateway") > 1.5 * before.compute_failure_rate("gateway")
    assert after.compute_failure_rate("policy-engine") > 0.1 > before.compute_failure_rate("policy-engine")


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if not kind.startswith("exporter")])
@pytest.mark.parametrize("component", ["gateway", "policy-engine", "audit-log", "validator-1", "validator-5"])
def test_every_fault_is_visible_and_heals_on_every_component(kind: FaultKind, component: str) -> None:
    """Every fault violates a metric within 6 seconds, and none 10 seconds after it is cleared."""
    plant, reading = run_faulty_plant(kind, component)
    assert reading.list_violations()
    plant.clear_faults()
    assert read_window(plant, ACTION_AT_SECONDS + 6, ACTION_AT_SECONDS + 10).list_violations() == set()


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if not kind.startswith("exporter")])
def test_earlier_remedies_hide_no_fault(kind: FaultKind) -> None:
    """Policies in force before a fault do not hide it."""
    plant = Plant(0.0, 5)
    for action in (
        make_throttle_action("gateway"),
        make_throttle_action("validator-3"),
        make_rebalance_action("validator-3"),
        make_override_action(None),
    ):
        action.apply(plant)
    make_configure_action("policy-engine").apply(plant)
    make_bypass_action("validator-3").apply(plant)
    assert read_window(plant, 4, 8).list_violations() == set()
    plant.advance(FAULT_AT_SECONDS)
    plant.inject_fault(kind, "validator-3")
    assert read_window(plant, ACTION_AT_SECONDS - 3, ACTION_AT_SECONDS).list_violations()


@pytest.mark.parametrize("size", range(4, 13))
def test_one_more_member_cures_a_short_committee_of_any_size(size: int) -> None:
    """One more member cures few-validators for every committee size."""
    plant = Plant(0.0, 7)
    plant.scale(size, CHANGE_ORIGIN)
    plant.advance(FAULT_AT_SECONDS)
    plant.inject_fault(FaultKind.FEW_VALIDATORS, "validator-1")
    assert len(read_window(plant, ACTION_AT_SECONDS - 3, ACTION_AT_SECONDS).list_violations()) == 2 * size
    plant.scale(size + 1, CHANGE_ORIGIN)
    assert read_window(plant, ACTION_AT_SECONDS + 7, ACTION_AT_SECONDS + 11).list_violations() == set()
