"""Every action type has a decision in each table, and the quorum guard counts what the table of members says."""

from collections.abc import Mapping

import pytest

from activities.model.action import INVERSES, MEMBER_EFFECTS, ROUTES, Action, ActionType, MemberEffect
from activities.model.charter import required_healthy_members
from activities.plan.guards import core
from activities.plan.risk import BASE_RISK
from activities.plan.safety import SAFETY_DIRECTIONS, SafetyDirection, safety_direction
from activities.plan.settings import DEFAULT_COSTS
from tests.activities.plan.builders import make_committee
from tests.activities.plan.guards.guard_inputs import make_guard_input

TABLES: Mapping[str, Mapping[ActionType, object]] = {
    "activities/model/action.py: ROUTES": ROUTES,
    "activities/model/action.py: MEMBER_EFFECTS": MEMBER_EFFECTS,
    "activities/plan/safety.py: SAFETY_DIRECTIONS": SAFETY_DIRECTIONS,
    "activities/plan/risk.py: BASE_RISK": BASE_RISK,
    "activities/plan/settings.py: DEFAULT_COSTS": DEFAULT_COSTS,
}


@pytest.mark.parametrize("table", TABLES)
def test_no_action_type_is_forgotten(table: str) -> None:
    """A new action type needs a row in each table; the failure names table and type."""
    assert [f"{table} has no row for {action}" for action in ActionType if action not in TABLES[table]] == []


def test_every_route_has_an_inverse() -> None:
    """A new route needs a decision on how its actions are undone."""
    assert set(ROUTES.values()) <= INVERSES.keys()


def make_action(kind: ActionType) -> Action:
    """Return an action that takes a healthy member of a committee of five out of service, if its type can."""
    parameters: Mapping[MemberEffect, dict[str, object]] = {
        MemberEffect.RESIZES: {"replicas": 4},
        MemberEffect.INTERRUPTS: {"member": "validator-2"},
        MemberEffect.NONE: {},
    }
    return Action(type=kind, component="validator-2", parameters=parameters[MEMBER_EFFECTS[kind]])


@pytest.mark.parametrize("kind", ActionType)
def test_the_quorum_guard_counts_what_the_table_says(kind: ActionType) -> None:
    """With one unhealthy member of five, an action is refused exactly if its type takes a member out of service."""
    guard_input = make_guard_input(committee=make_committee(5, ("validator-3",)))
    reason = core.quorum_guard((make_action(kind),), guard_input)
    assert bool(reason) is (MEMBER_EFFECTS[kind] is not MemberEffect.NONE), reason


@pytest.mark.parametrize("kind", ActionType)
def test_a_rollback_takes_no_member_out(kind: ActionType) -> None:
    """An undo of a policy restores the former state, so the quorum guard does not count it."""
    action = make_action(kind).model_copy(update={"rollback_of": "p-1"})
    assert action.member_effect is MemberEffect.NONE


@pytest.mark.parametrize(("replicas", "required"), [(1, 2), (2, 3), (3, 3), (4, 4), (5, 4), (6, 5), (7, 5)])
def test_required_healthy_members(replicas: int, required: int) -> None:
    """A change leaves the quorum and one member more."""
    assert required_healthy_members(replicas) == required


@pytest.mark.parametrize(
    ("kind", "applied", "rolled_back"),
    [
        (ActionType.SCALE_UP, SafetyDirection.SAFER, SafetyDirection.NEUTRAL),
        (ActionType.UPDATE_CONFIGURATION, SafetyDirection.NEUTRAL, SafetyDirection.NEUTRAL),
        (ActionType.BYPASS_VALIDATION, SafetyDirection.RISKIER, SafetyDirection.SAFER),
    ],
)
def test_a_rollback_of_a_risk_is_safer(
    kind: ActionType, applied: SafetyDirection, rolled_back: SafetyDirection
) -> None:
    """A rollback has the opposite direction only where that is safe."""
    action = Action(type=kind)
    undone = action.model_copy(update={"rollback_of": "p-1"})
    assert (safety_direction((action,)), safety_direction((undone,))) == (applied, rolled_back)
