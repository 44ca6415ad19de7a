"""What every action does to every fault, in virtual time, measured on the plant's own metrics."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from deploy.simulator.faults import FaultKind
from deploy.simulator.plant import Plant
from deploy.simulator.records import ActionKind, Effect, Origin, Spec
from tests.deploy.simulator.metric_reader import Reading, window

ORIGIN = Origin("3fa9c1d2e4b5-0-do", "3fa9c1d2e4b5")
BEGUN, ACTED = 10.0, 16.0
"""When the fault begins and when the action follows (seconds of virtual time)."""

Act = Callable[[Plant], None]


@dataclass(frozen=True)
class Action:
    """An action with the ledger kind its effect must show."""

    label: str
    kind: ActionKind
    act: Act


def policy(kind: ActionKind, component: str | None, name: str | None = None, **parameters: object) -> Action:
    spec = Spec(name or f"{kind.lower().replace('_', '-')}.{component}", kind, component, parameters)

    def act(plant: Plant) -> None:
        plant.apply(spec, ORIGIN)

    return Action(f"{kind}@{component}", kind, act)


def scale(replicas: int) -> Action:
    def act(plant: Plant) -> None:
        plant.scale(replicas, ORIGIN)

    kind = ActionKind.SCALE_UP if replicas >= 5 else ActionKind.SCALE_DOWN
    return Action(f"scale-{replicas}", kind, act)


def restart(member: str | None) -> Action:
    def act(plant: Plant) -> None:
        plant.restart(member, True, ORIGIN)

    return Action(f"restart-{member}", ActionKind.RESTART_SERVICE, act)


def throttle(component: str | None) -> Action:
    return policy(ActionKind.THROTTLE_REQUESTS, component, rate_limit=300)


def rebalance(component: str | None) -> Action:
    return policy(ActionKind.REBALANCE_LOAD, component, strategy="least_loaded")


def configure(component: str | None) -> Action:
    return policy(ActionKind.UPDATE_CONFIGURATION, component, batch_size=64, parallelism=8)


def override(component: str | None) -> Action:
    return policy(ActionKind.ACTIVATE_EMERGENCY_OVERRIDE, component, duration=300)


def bypass(component: str | None) -> Action:
    return policy(ActionKind.BYPASS_VALIDATION, component)


def rules(component: str | None = None) -> Action:
    return policy(ActionKind.APPLY_POLICY, component, "admission", ruleset="strict-v1")


HELPS, NOTHING, HARMS = "helps", "nothing", "harms"
Row = tuple[FaultKind, str, str, list[Action]]
TABLE: list[Row] = [
    (
        FaultKind.FEW_VALIDATORS,
        "validator-3",
        HELPS,
        [scale(6), scale(7), throttle("gateway"), throttle(None), configure("policy-engine"), configure(None)],
    ),
    (FaultKind.FEW_VALIDATORS, "validator-3", NOTHING, [rules(), rebalance("validator-3"), bypass("validator-3")]),
    (FaultKind.FEW_VALIDATORS, "validator-5", HARMS, [restart("validator-2"), restart(None), scale(4)]),
    (FaultKind.BAD_POLICY, "validator-3", HELPS, [rules(), rules("validator-3"), bypass("validator-3")]),
    (FaultKind.BAD_POLICY, "gateway", HELPS, [rules(), bypass("gateway"), bypass(None)]),
    (FaultKind.BAD_POLICY, "validator-3", NOTHING, [scale(6), rebalance("validator-3"), throttle("audit-log")]),
    (FaultKind.BAD_POLICY, "validator-3", HARMS, [configure("validator-3"), configure(None)]),
    (FaultKind.BAD_POLICY, "gateway", HARMS, [configure("gateway")]),
    (FaultKind.RETRY_CASCADE, "validator-3", HELPS, [throttle("gateway"), throttle("validator-3"), override(None)]),
    (FaultKind.RETRY_CASCADE, "audit-log", HELPS, [throttle("gateway"), throttle("audit-log"), override("gateway")]),
    (FaultKind.RETRY_CASCADE, "validator-3", NOTHING, [rules(), rebalance("validator-3"), scale(6)]),
    (FaultKind.RETRY_CASCADE, "validator-3", HARMS, [restart("validator-3"), restart(None)]),
    (FaultKind.RETRY_CASCADE, "gateway", HARMS, [restart("gateway")]),
    (FaultKind.OVERLOAD, "validator-3", HELPS, [rebalance("validator-3"), throttle("validator-3")]),
    (FaultKind.OVERLOAD, "gateway", HELPS, [rebalance("gateway"), throttle("gateway"), rebalance(None)]),
    (FaultKind.OVERLOAD, "validator-3", NOTHING, [rules(), scale(6), rebalance("validator-4")]),
    (FaultKind.OVERLOAD, "validator-5", HARMS, [restart("validator-5"), scale(4)]),
    (FaultKind.OVERLOAD, "gateway", HARMS, [restart("gateway")]),
    (FaultKind.SLOW_NODE, "validator-3", HELPS, [restart("validator-3"), restart(None), rebalance("validator-3")]),
    (FaultKind.SLOW_NODE, "audit-log", HELPS, [restart("audit-log"), rebalance("audit-log"), configure("audit-log")]),
    (FaultKind.SLOW_NODE, "validator-3", NOTHING, [rules(), bypass("validator-3"), override(None)]),
    (FaultKind.SLOW_NODE, "validator-5", HARMS, [scale(4)]),
    (FaultKind.DEAD_NODE, "validator-3", HELPS, [restart("validator-3"), restart(None), scale(6)]),
    (FaultKind.DEAD_NODE, "audit-log", HELPS, [restart("audit-log")]),
    (FaultKind.DEAD_NODE, "validator-3", NOTHING, [rules(), throttle("audit-log"), rebalance("validator-3")]),
    (FaultKind.DEAD_NODE, "validator-5", HARMS, [scale(4)]),
    (
        FaultKind.REMEDY_WORSENS,
        "validator-3",
        HELPS,
        [throttle("gateway"), configure("policy-engine"), configure(None)],
    ),
    (FaultKind.REMEDY_WORSENS, "validator-3", NOTHING, [rules(), rebalance("validator-3"), bypass("validator-3")]),
    (FaultKind.REMEDY_WORSENS, "validator-3", HARMS, [scale(6), scale(7), restart("validator-2")]),
]
CASES = [
    pytest.param(kind, component, claim, action, id=f"{kind}:{component}-{action.label}-{claim}")
    for kind, component, claim, actions in TABLE
    for action in actions
]


def faulty(kind: FaultKind, component: str, seed: int = 3) -> tuple[Plant, Reading]:
    """A plant some seconds into a fault, and what it shows then."""
    plant = Plant(0.0, seed)
    plant.advance(BEGUN)
    plant.inject(kind, component)
    return plant, window(plant, ACTED - 4, ACTED)


@pytest.mark.parametrize(("kind", "component", "claim", "action"), CASES)
def test_effect_of_action_on_fault(kind: FaultKind, component: str, claim: str, action: Action) -> None:
    """Each action helps, does nothing or harms as the table says, in pairs beyond a limit or in magnitude."""
    plant, before = faulty(kind, component)
    assert before.violated()
    action.act(plant)
    during = [window(plant, start, start + 2) for start in (17.0, 19.0, 21.0, 23.0)]
    after = window(plant, 26, 30)
    if claim == HELPS:
        assert after.violated() == set()
        assert after.magnitude() < 0.3
    elif claim == NOTHING:
        own = {pair for pair in before.violated() if pair[0] == component}
        assert own <= after.violated()
        assert after.violated() == before.violated()
        assert after.magnitude() == pytest.approx(before.magnitude(), rel=0.2, abs=0.1)
    else:
        assert any(
            len(reading.violated()) > len(before.violated()) or reading.magnitude() > 1.25 * before.magnitude()
            for reading in during
        )


@pytest.mark.parametrize(("kind", "component", "claim", "action"), CASES)
def test_ledger_holds_exactly_the_effect(kind: FaultKind, component: str, claim: str, action: Action) -> None:
    """One action leaves one ledger entry, with its key and one step of the generation; faults leave none."""
    plant, _ = faulty(kind, component)
    assert plant.ledger == []
    action.act(plant)
    plant.advance(30)
    (entry,) = plant.ledger
    assert (entry.effect, entry.kind, entry.key) == (Effect.APPLIED, action.kind, ORIGIN.key)
    assert entry.generation_after == entry.generation_before + 1


def test_every_fault_has_remedies_and_traps() -> None:
    """For each fault that shows, at least two actions help, one does nothing and one harms."""
    silent = {FaultKind.EXPORTER_SILENT, FaultKind.EXPORTER_LYING}
    for kind in set(FaultKind) - silent:
        counts = {
            claim: sum(len(actions) for found, _, said, actions in TABLE if (found, said) == (kind, claim))
            for claim in (HELPS, NOTHING, HARMS)
        }
        assert counts[HELPS] >= 2, kind
        assert counts[NOTHING] >= 1, kind
        assert counts[HARMS] >= 1, kind


def test_scaling_back_returns_to_the_state_before() -> None:
    """Where scaling up made it worse, on services too, the undo restores exactly the pairs from before."""
    plant, before = faulty(FaultKind.REMEDY_WORSENS, "validator-3")
    plant.scale(6, ORIGIN)
    worse = window(plant, ACTED + 6, ACTED + 9)
    assert ("gateway", "failure_rate") in worse.violated()
    assert len(worse.violated()) > len(before.violated())
    plant.scale(5, Origin("3fa9c1d2e4b5-0-undo"))
    assert window(plant, ACTED + 19, ACTED + 23).violated() == before.violated()
    assert [entry.effect for entry in plant.ledger] == [Effect.APPLIED, Effect.ROLLED_BACK]
    assert {entry.kind for entry in plant.ledger} == {ActionKind.SCALE_UP}


def test_undoing_the_cure_brings_the_broken_policy_back() -> None:
    """A good `admission` that is rolled back leaves the broken version in force, with its symptoms."""
    plant, before = faulty(FaultKind.BAD_POLICY, "gateway")
    application = plant.apply(Spec("admission", ActionKind.APPLY_POLICY, None, {"ruleset": "strict-v1"}), ORIGIN)
    assert window(plant, 24, 28).violated() == set()
    assert plant.faults == []
    assert plant.undo(application, ORIGIN)
    assert window(plant, 34, 38).violated() == before.violated()
    assert [fault.kind for fault in plant.faults] == [FaultKind.BAD_POLICY]


def test_larger_batches_make_a_broken_policy_hit_more() -> None:
    """Under a broken policy a new batch size raises the failure rate there and carries it to a neighbour."""
    plant, before = faulty(FaultKind.BAD_POLICY, "gateway")
    configure("gateway").act(plant)
    after = window(plant, ACTED + 2, ACTED + 6)
    assert after.failure_rate("gateway") > 1.5 * before.failure_rate("gateway")
    assert after.failure_rate("policy-engine") > 0.1 > before.failure_rate("policy-engine")


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if not kind.startswith("exporter")])
@pytest.mark.parametrize("component", ["gateway", "policy-engine", "audit-log", "validator-1", "validator-5"])
def test_any_fault_shows_and_heals_on_any_component(kind: FaultKind, component: str) -> None:
    """Every fault violates something within five seconds wherever it is posted, and nothing ten after it is healed."""
    plant, reading = faulty(kind, component)
    assert reading.violated()
    plant.heal()
    assert window(plant, ACTED + 6, ACTED + 10).violated() == set()


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if not kind.startswith("exporter")])
def test_remedies_kept_from_before_hide_no_fault(kind: FaultKind) -> None:
    """Policies in force before a fault begins do not make it invisible."""
    plant = Plant(0.0, 5)
    for action in (throttle("gateway"), throttle("validator-3"), rebalance("validator-3"), override(None)):
        action.act(plant)
    configure("policy-engine").act(plant)
    bypass("validator-3").act(plant)
    assert window(plant, 4, 8).violated() == set()
    plant.advance(BEGUN)
    plant.inject(kind, "validator-3")
    assert window(plant, ACTED - 3, ACTED).violated()


@pytest.mark.parametrize("size", range(4, 13))
def test_one_more_member_cures_a_short_committee_of_any_size(size: int) -> None:
    """Few-validators is cured by a single further member whatever the committee's size was."""
    plant = Plant(0.0, 7)
    plant.scale(size, ORIGIN)
    plant.advance(BEGUN)
    plant.inject(FaultKind.FEW_VALIDATORS, "validator-1")
    assert len(window(plant, ACTED - 3, ACTED).violated()) == 2 * size
    plant.scale(size + 1, ORIGIN)
    assert window(plant, ACTED + 7, ACTED + 11).violated() == set()
