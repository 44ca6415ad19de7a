"""The guards without history or calendar, with their numbers."""

from typing import Any

import pytest

from activities.model.action import Action, ActionType
from activities.model.charter import Committee
from activities.model.guard_state import GuardState, KnobGuard, UnsettledPlan
from activities.model.mode import LoopMode, Mode, with_kill_switch
from activities.plan.guards import core
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.settings import PlanSettings
from tests.activities.plan.builders import make_committee, make_root_cause
from tests.activities.plan.guards import guard_inputs
from tests.activities.plan.guards.guard_inputs import NOW, SCALE_UP_ACTIONS


def make_scale_actions(replicas: object) -> Actions:
    """Return a change of the committee's size."""
    return (Action(type=ActionType.SCALE_UP, parameters={"replicas": replicas}),)


def make_restart_actions(member: str | None) -> Actions:
    """Return a restart of one member, or of all for None."""
    parameters = {} if member is None else {"member": member}
    return (Action(type=ActionType.RESTART_SERVICE, component=member, parameters=parameters),)


def make_guard_input(**changes: Any) -> GuardInput:
    """Return an input with a healthy committee of five."""
    return guard_inputs.make_guard_input(**({"committee": make_committee()} | changes))


@pytest.mark.parametrize(
    ("replicas", "unhealthy", "actions", "refused"),
    [
        (5, (), make_scale_actions(6), ""),
        (5, (), make_scale_actions(7), "5 → 7"),
        (5, (), make_scale_actions(0), "5 → 0"),
        (5, (), make_scale_actions(4), ""),
        (5, ("validator-5",), make_scale_actions(4), "4 healthy − 1 < 4"),
        (3, (), make_scale_actions(2), "3 healthy − 1 < 3"),
        (5, (), make_restart_actions("validator-2"), ""),
        (5, ("validator-3",), make_restart_actions("validator-2"), "4 healthy − 1 < 4"),
        (5, ("validator-3",), make_restart_actions("validator-3"), ""),
        (5, ("validator-2", "validator-3", "validator-4"), make_restart_actions("validator-3"), ""),
        (4, (), make_restart_actions("validator-2"), "4 healthy − 1 < 4"),
        (3, (), make_restart_actions("validator-2"), "3 healthy − 1 < 3"),
        (5, (), make_restart_actions("validator-1"), ""),
        (
            7,
            ("validator-3",),
            make_restart_actions("validator-1"),
            "leader is restarted last: 1 other members are unhealthy (validator-3)",
        ),
        (5, ("validator-1",), make_restart_actions("validator-1"), ""),
        (5, ("validator-3",), make_restart_actions("gateway"), ""),
        (4, (), make_restart_actions(None), "4 healthy − 1 < 4"),
        (5, ("validator-3",), (*make_scale_actions(6), *make_restart_actions("validator-3")), ""),
        (
            5,
            (),
            (*make_scale_actions(6), *make_restart_actions("validator-2")),
            "5 healthy − 1 < 5 (quorum of 6, plus 1)",
        ),
    ],
)
def test_quorum(replicas: int, unhealthy: tuple[str, ...], actions: Actions, refused: str) -> None:
    """Quorum + 1 stays healthy, an unhealthy member costs nothing, one at a time, the leader last."""
    reason = core.quorum_guard(actions, make_guard_input(committee=make_committee(replicas, unhealthy)))
    assert bool(reason) == bool(refused)
    assert refused in reason


def test_quorum_of_an_unknown_committee_refuses() -> None:
    """Without the committee its majority is unknown."""
    reason = core.quorum_guard(SCALE_UP_ACTIONS, make_guard_input(committee=None))
    assert reason == "the committee is unknown, so its majority is unknown too"


def test_an_unnamed_member_counts_as_healthy() -> None:
    """A plain Charter names no members: a restart then costs a healthy one."""
    plain = Committee(replicas=4, healthy_nodes=4)
    assert core.quorum_guard(make_restart_actions("validator-2"), make_guard_input(committee=plain))


@pytest.mark.parametrize("replicas", [None, "6", 5.5])
def test_a_scale_without_a_whole_number_is_refused(replicas: object) -> None:
    """The number of replicas must be a whole number."""
    assert core.quorum_guard(make_scale_actions(replicas), make_guard_input())


def test_scale_step_and_max_replicas_are_settings() -> None:
    """`scale_step` widens the step, `max_replicas` bounds the size; exactly at the bound is allowed."""
    assert not core.quorum_guard(make_scale_actions(7), make_guard_input(settings=PlanSettings(scale_step=2)))
    bounded = make_guard_input(settings=PlanSettings(max_replicas=6))
    assert not core.max_replicas_guard(make_scale_actions(6), bounded)
    assert core.max_replicas_guard(make_scale_actions(7), bounded) == "replicas 7 > 6"


def test_a_forbidden_action_type_is_named() -> None:
    """An action type that is not allowed is refused by name."""
    guard_input = make_guard_input(settings=PlanSettings(allowed_actions=(ActionType.SCALE_UP,)))
    assert not core.allowed_actions_guard(make_scale_actions(6), guard_input)
    reason = core.allowed_actions_guard(make_restart_actions("validator-2"), guard_input)
    assert reason == "RESTART_SERVICE not among allowed_actions"


@pytest.mark.parametrize(("until", "remaining"), [(0.0, ""), (NOW, ""), (NOW + 1, "1 s"), (NOW + 240, "240 s")])
def test_cool_down(until: float, remaining: str) -> None:
    """A knob is free at the last second of its cool-down."""
    guards = GuardState(knobs=(KnobGuard(knob="committee", cool_down_until=until, cool_down_reason="fixed"),))
    reason = core.cool_down_guard(make_scale_actions(6), make_guard_input(guards=guards))
    assert bool(reason) == bool(remaining)
    assert remaining in reason


def test_quarantine_holds_its_knob_only() -> None:
    """A quarantined knob is refused with the reason, others are free."""
    guards = GuardState(knobs=(KnobGuard(knob="committee", quarantined=True, quarantine_reason="undo failed"),))
    guard_input = make_guard_input(guards=guards)
    assert "undo failed" in core.quarantine_guard(make_scale_actions(6), guard_input)
    rebalance = (Action(type=ActionType.REBALANCE_LOAD, component="gateway"),)
    assert not core.quarantine_guard(rebalance, guard_input)


@pytest.mark.parametrize(("name", "refused"), [("act", False), ("observe", True), ("stopped", True)])
def test_only_mode_act_acts(name: str, refused: bool) -> None:
    """The other modes are refused with their time and reason."""
    mode = Mode(loop="charter", name=LoopMode(name), reason="holiday", at=5.0)
    reason = core.mode_guard(make_scale_actions(6), make_guard_input(mode=mode))
    assert reason == (f"mode {name} since 5 holiday" if refused else "")


def test_the_kill_switch_has_its_own_guard() -> None:
    """A block by the kill switch differs from a stop by an operator, and says what set the switch."""
    act = Mode(loop="c", name=LoopMode.ACT)
    switched = make_guard_input(mode=with_kill_switch("kill switch: /k: ada", act))
    assert core.kill_switch_guard(make_scale_actions(6), switched) == "kill switch: /k: ada"
    stopped = make_guard_input(mode=Mode(loop="c", name=LoopMode.STOPPED, reason="holiday"))
    assert not core.kill_switch_guard(make_scale_actions(6), stopped)


@pytest.mark.parametrize(
    ("overall", "prior", "refused"),
    [(0.6, 0.6, ""), (0.59, 0.9, "overall confidence 0.59 < 0.60"), (0.9, 0.5, "confidence in overload 0.50 < 0.60")],
)
def test_confidence(overall: float, prior: float, refused: str) -> None:
    """Diagnosis and cause must both reach the limit; exactly the limit is enough."""
    guard_input = make_guard_input(root=make_root_cause("overload", confidence=prior), confidence=overall)
    assert core.confidence_guard(make_scale_actions(6), guard_input) == refused


def test_an_unsettled_plan_holds_its_knob_only() -> None:
    """A knob on which another plan may be applied is refused; other knobs are free."""
    unsettled = UnsettledPlan(knob="committee", plan_id="a" * 12, since=NOW - 40)
    guard_input = make_guard_input(guards=GuardState(unsettled=(unsettled,)))
    reason = core.unsettled_guard(make_scale_actions(6), guard_input)
    assert reason == f"plan {'a' * 12}, 40 s old, was sent to Charter and is not settled"
    assert not core.unsettled_guard(make_scale_actions(6), make_guard_input())
    elsewhere = GuardState(unsettled=(unsettled.model_copy(update={"knob": "admission"}),))
    assert not core.unsettled_guard(make_scale_actions(6), make_guard_input(guards=elsewhere))


@pytest.mark.parametrize(
    ("replicas", "unhealthy", "replicas_before", "refused"),
    [
        (6, (), 5, ""),
        (6, ("validator-1",), 5, ""),
        (6, ("validator-1", "validator-2"), 5, "quorum: 4 healthy − 1 < 4"),
        (8, (), 6, ""),
        (5, ("validator-1", "validator-2"), 6, ""),
        (3, (), 2, ""),
        (3, ("validator-1",), 2, "quorum: 2 healthy − 1 < 2"),
    ],
)
def test_a_rollback_keeps_the_quorum(
    replicas: int, unhealthy: tuple[str, ...], replicas_before: int, refused: str
) -> None:
    """A rollback removes no member that the committee needs, however long it is; growing removes none."""
    reason = core.rollback_breaks_quorum(replicas_before, make_committee(replicas, unhealthy))
    assert reason.startswith(refused)
    assert bool(reason) == bool(refused)
