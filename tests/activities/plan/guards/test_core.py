"""The guard rails, with their numbers."""

import pytest

from activities.model.action import Action, ActionType
from activities.model.charter import Committee
from activities.model.guard_state import GuardState, KnobGuard, UnsettledPlan
from activities.model.mode import LoopMode, Mode, with_kill_switch
from activities.plan.guards.base import GuardInput
from activities.plan.guards.core import (
    OPERATOR_PLAN_GUARDS,
    PERMANENT_GUARDS,
    TRANSIENT_GUARDS,
    allowed_actions_guard,
    confidence_guard,
    cool_down_guard,
    find_first_block,
    max_replicas_guard,
    mode_guard,
    quarantine_guard,
    quorum_guard,
    rollback_breaks_quorum,
    unsettled_guard,
)
from activities.plan.settings import PlanSettings

NOW = 1000.0


def make_scale_actions(replicas):
    """Return a change of the committee's size."""
    return (Action(type=ActionType.SCALE_UP, parameters={"replicas": replicas}),)


def make_restart_actions(member):
    """Return a restart of one member, or of all for None."""
    parameters = {} if member is None else {"member": member}
    return (Action(type=ActionType.RESTART_SERVICE, component=member, parameters=parameters),)


@pytest.fixture(scope="session")
def make_guard_input(make_committee):
    """Return what the rules look at."""

    def make(**changes):
        usual = {
            "at": NOW,
            "mode": Mode(loop="charter", name=LoopMode.ACT),
            "guards": GuardState(),
            "committee": make_committee(),
            "settings": PlanSettings(),
        }
        return GuardInput(**(usual | changes))

    return make


@pytest.mark.parametrize(
    ("replicas", "ill", "actions", "refused"),
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
            "leader goes last: 1 other members are ill (validator-3)",
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
def test_quorum(replicas, ill, actions, refused, make_guard_input, make_committee):
    """Quorum + 1 stays healthy, an ill member costs nothing, one at a time, the leader last."""
    block = quorum_guard(actions, make_guard_input(committee=make_committee(replicas, ill)))
    assert (block is None) == (refused == "")
    assert block is None or (block.rule == "quorum" and refused in block.reason)


def test_members_that_are_not_named_count_as_healthy(make_guard_input):
    """A plain Charter names no members: a restart is then taken to cost a healthy one."""
    plain = Committee(replicas=4, healthy_nodes=4)
    assert quorum_guard(make_restart_actions("validator-2"), make_guard_input(committee=plain)) is not None


@pytest.mark.parametrize("value", [None, "6", 5.5])
def test_a_scale_without_a_number_is_refused(value, make_guard_input):
    """What does not name a whole number of replicas is no scaling."""
    actions = (Action(type=ActionType.SCALE_UP, parameters={"replicas": value}),)
    assert quorum_guard(actions, make_guard_input()) is not None


def test_steps_and_size_are_settings(make_guard_input, make_committee):
    """`scale_step` widens the step, `max_replicas` bounds the size; exactly at the bound is allowed."""
    assert quorum_guard(make_scale_actions(7), make_guard_input(settings=PlanSettings(scale_step=2))) is None
    full = make_guard_input(settings=PlanSettings(max_replicas=6))
    assert max_replicas_guard(make_scale_actions(6), full) is None
    block = max_replicas_guard(make_scale_actions(7), full)
    assert block is not None
    assert (block.rule, block.reason) == ("max-replicas", "replicas 7 > 6")


def test_only_allowed_actions(make_guard_input):
    """An action type that is not allowed is refused by name."""
    settings = PlanSettings(allowed_actions=(ActionType.SCALE_UP,))
    assert allowed_actions_guard(make_scale_actions(6), make_guard_input(settings=settings)) is None
    block = allowed_actions_guard(make_restart_actions("validator-2"), make_guard_input(settings=settings))
    assert block is not None
    assert block.reason == "RESTART_SERVICE not among allowed_actions"


@pytest.mark.parametrize(("until", "left"), [(0.0, None), (NOW, None), (NOW + 1, "1 s"), (NOW + 240, "240 s")])
def test_cool_down(until, left, make_guard_input):
    """A knob rests until its time, and is free at that very second."""
    guards = GuardState(knobs=(KnobGuard(knob="committee", cooldown_until=until, cooldown_reason="fixed"),))
    block = cool_down_guard(make_scale_actions(6), make_guard_input(guards=guards))
    assert (block is None) == (left is None)
    assert block is None or (left in block.reason and block.knob == "committee")


def test_quarantine_holds_its_knob_only(make_guard_input):
    """A quarantined knob is refused with the reason, others are free."""
    guards = GuardState(knobs=(KnobGuard(knob="committee", quarantined=True, quarantine_reason="undo failed"),))
    held = make_guard_input(guards=guards)
    assert "undo failed" in quarantine_guard(make_scale_actions(6), held).reason
    assert quarantine_guard((Action(type=ActionType.REBALANCE_LOAD, component="gateway"),), held) is None


@pytest.mark.parametrize(("name", "refused"), [("act", False), ("observe", True), ("stopped", True)])
def test_mode(name, refused, make_guard_input):
    """Only mode act acts."""
    block = mode_guard(
        make_scale_actions(6),
        make_guard_input(mode=Mode(loop="charter", name=LoopMode(name), reason="holiday", at=5.0)),
    )
    assert (block is not None) == refused
    assert block is None or block.reason == f"mode {name} since 5 holiday"


def test_the_kill_switch_has_its_own_name(make_guard_input):
    """Blocks by the switch are told apart from a person's stop, with what throws it."""
    block = mode_guard(
        make_scale_actions(6),
        make_guard_input(mode=with_kill_switch("kill switch: /k: ada", Mode(loop="c", name=LoopMode.ACT))),
    )
    assert (block.rule, block.reason) == ("kill-switch", "kill switch: /k: ada")


@pytest.mark.parametrize(
    ("overall", "own", "reason"),
    [(0.6, 0.6, None), (0.59, 0.9, "overall confidence 0.59 < 0.60"), (0.9, 0.5, "confidence in overload 0.50 < 0.60")],
)
def test_confidence(overall, own, reason, make_root_cause, make_context):
    """Both the diagnosis and the cause must be believed; exactly the limit is enough."""
    cause = make_root_cause("overload", confidence=own)
    block = confidence_guard(cause, make_context(cause, confidence=overall).diagnosis, make_scale_actions(6), 0.6)
    assert (block.reason if block else None) == reason


def test_the_first_rule_that_refuses_answers(make_guard_input):
    """Of several rules that refuse, the first one is named; without any, nothing is."""
    guards = GuardState(knobs=(KnobGuard(knob="committee", quarantined=True, cooldown_until=NOW + 5),))
    block = find_first_block(TRANSIENT_GUARDS, make_scale_actions(6), make_guard_input(guards=guards))
    assert block is not None
    assert block.rule == "quarantine"
    assert find_first_block((*PERMANENT_GUARDS, *TRANSIENT_GUARDS), make_scale_actions(6), make_guard_input()) is None


def test_what_is_not_settled_is_not_built_upon(make_guard_input):
    """A knob on which another plan may stand is left alone, whoever asks; other knobs are not."""
    standing = GuardState(unsettled=(UnsettledPlan(knob="committee", plan_id="a" * 12, since=960.0),))
    block = unsettled_guard(make_scale_actions(6), make_guard_input(guards=standing))
    assert block is not None
    assert block.reason == f"plan {'a' * 12}, 40 s old, was sent to Charter and is not settled"
    assert unsettled_guard(make_scale_actions(6), make_guard_input()) is None
    elsewhere = GuardState(unsettled=(UnsettledPlan(knob="admission", plan_id="a" * 12, since=960.0),))
    assert unsettled_guard(make_scale_actions(6), make_guard_input(guards=elsewhere)) is None
    assert unsettled_guard in TRANSIENT_GUARDS
    assert unsettled_guard in OPERATOR_PLAN_GUARDS


@pytest.mark.parametrize(
    ("replicas", "ill", "back_to", "refused"),
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
def test_the_way_back_keeps_the_quorum(replicas, ill, back_to, refused, make_committee):
    """A rollback takes no member that the committee cannot spare, however far back it goes; growing costs none."""
    found = rollback_breaks_quorum(back_to, make_committee(replicas, ill))
    assert found.startswith(refused)
    assert bool(found) == bool(refused)
