"""The guard rails, with their numbers."""

import pytest

from activities.model.action import Action, ActionType
from activities.model.charter import Committee
from activities.model.guards import GuardState, KnobGuard, Unsettled
from activities.model.mode import Mode, ModeName, under
from activities.plan.guards.base import Conditions
from activities.plan.guards.core import (
    LASTING,
    PASSING,
    REQUESTED,
    allowed,
    confidence,
    cool_down,
    first_block,
    max_replicas,
    mode,
    quarantine,
    quorum,
    unsettled,
    way_back_costs_quorum,
)
from activities.plan.settings import PlanSettings

AT = 1000.0


def scale(replicas):
    """Return a change of the committee's size."""
    return (Action(type=ActionType.SCALE_UP, parameters={"replicas": replicas}),)


def restart(member):
    """Return a restart of one member, or of all for None."""
    parameters = {} if member is None else {"member": member}
    return (Action(type=ActionType.RESTART_SERVICE, component=member, parameters=parameters),)


@pytest.fixture(scope="session")
def conditions(committee):
    """Return what the rules look at."""

    def make(**changes):
        usual = {
            "at": AT,
            "mode": Mode(loop="charter", name=ModeName.ACT),
            "guards": GuardState(),
            "committee": committee(),
            "settings": PlanSettings(),
        }
        return Conditions(**(usual | changes))

    return make


@pytest.mark.parametrize(
    ("replicas", "ill", "actions", "refused"),
    [
        (5, (), scale(6), ""),
        (5, (), scale(7), "5 → 7"),
        (5, (), scale(0), "5 → 0"),
        (5, (), scale(4), ""),
        (5, ("validator-5",), scale(4), "4 healthy − 1 < 4"),
        (3, (), scale(2), "3 healthy − 1 < 3"),
        (5, (), restart("validator-2"), ""),
        (5, ("validator-3",), restart("validator-2"), "4 healthy − 1 < 4"),
        (5, ("validator-3",), restart("validator-3"), ""),
        (5, ("validator-2", "validator-3", "validator-4"), restart("validator-3"), ""),
        (4, (), restart("validator-2"), "4 healthy − 1 < 4"),
        (3, (), restart("validator-2"), "3 healthy − 1 < 3"),
        (5, (), restart("validator-1"), ""),
        (7, ("validator-3",), restart("validator-1"), "leader goes last: 1 other members are ill (validator-3)"),
        (5, ("validator-1",), restart("validator-1"), ""),
        (5, ("validator-3",), restart("gateway"), ""),
        (4, (), restart(None), "4 healthy − 1 < 4"),
        (5, ("validator-3",), (*scale(6), *restart("validator-3")), ""),
        (5, (), (*scale(6), *restart("validator-2")), "5 healthy − 1 < 5 (quorum of 6, plus 1)"),
    ],
)
def test_quorum(replicas, ill, actions, refused, conditions, committee):
    """Quorum + 1 stays healthy, an ill member costs nothing, one at a time, the leader last."""
    block = quorum(actions, conditions(committee=committee(replicas, ill)))
    assert (block is None) == (refused == "")
    assert block is None or (block.rule == "quorum" and refused in block.reason)


def test_members_that_are_not_named_count_as_healthy(conditions):
    """A plain Charter names no members: a restart is then taken to cost a healthy one."""
    plain = Committee(replicas=4, healthy_nodes=4)
    assert quorum(restart("validator-2"), conditions(committee=plain)) is not None


@pytest.mark.parametrize("value", [None, "6", 5.5])
def test_a_scale_without_a_number_is_refused(value, conditions):
    """What does not name a whole number of replicas is no scaling."""
    actions = (Action(type=ActionType.SCALE_UP, parameters={"replicas": value}),)
    assert quorum(actions, conditions()) is not None


def test_steps_and_size_are_settings(conditions, committee):
    """`scale_step` widens the step, `max_replicas` bounds the size; exactly at the bound is allowed."""
    assert quorum(scale(7), conditions(settings=PlanSettings(scale_step=2))) is None
    full = conditions(settings=PlanSettings(max_replicas=6))
    assert max_replicas(scale(6), full) is None
    block = max_replicas(scale(7), full)
    assert block is not None
    assert (block.rule, block.reason) == ("max-replicas", "replicas 7 > 6")


def test_only_allowed_actions(conditions):
    """An action type that is not allowed is refused by name."""
    settings = PlanSettings(allowed_actions=(ActionType.SCALE_UP,))
    assert allowed(scale(6), conditions(settings=settings)) is None
    block = allowed(restart("validator-2"), conditions(settings=settings))
    assert block is not None
    assert block.reason == "RESTART_SERVICE not among allowed_actions"


@pytest.mark.parametrize(("until", "left"), [(0.0, None), (AT, None), (AT + 1, "1 s"), (AT + 240, "240 s")])
def test_cool_down(until, left, conditions):
    """A knob rests until its time, and is free at that very second."""
    guards = GuardState(knobs=(KnobGuard(knob="committee", cooldown_until=until, cooldown_why="fixed"),))
    block = cool_down(scale(6), conditions(guards=guards))
    assert (block is None) == (left is None)
    assert block is None or (left in block.reason and block.knob == "committee")


def test_quarantine_holds_its_knob_only(conditions):
    """A quarantined knob is refused with the reason, others are free."""
    guards = GuardState(knobs=(KnobGuard(knob="committee", quarantined=True, quarantine_why="undo failed"),))
    held = conditions(guards=guards)
    assert "undo failed" in quarantine(scale(6), held).reason
    assert quarantine((Action(type=ActionType.REBALANCE_LOAD, component="gateway"),), held) is None


@pytest.mark.parametrize(("name", "refused"), [("act", False), ("observe", True), ("stopped", True)])
def test_mode(name, refused, conditions):
    """Only mode act acts."""
    block = mode(scale(6), conditions(mode=Mode(loop="charter", name=ModeName(name), why="holiday", at=5.0)))
    assert (block is not None) == refused
    assert block is None or block.reason == f"mode {name} since 5 holiday"


def test_the_kill_switch_has_its_own_name(conditions):
    """Blocks by the switch are told apart from a person's stop, with what throws it."""
    block = mode(scale(6), conditions(mode=under("kill switch: /k: ada", Mode(loop="c", name=ModeName.ACT))))
    assert (block.rule, block.reason) == ("kill-switch", "kill switch: /k: ada")


@pytest.mark.parametrize(
    ("overall", "own", "reason"),
    [(0.6, 0.6, None), (0.59, 0.9, "overall confidence 0.59 < 0.60"), (0.9, 0.5, "confidence in overload 0.50 < 0.60")],
)
def test_confidence(overall, own, reason, root, context):
    """Both the diagnosis and the cause must be believed; exactly the limit is enough."""
    cause = root("overload", confidence=own)
    block = confidence(cause, context(cause, confidence=overall).diagnosis, scale(6), 0.6)
    assert (block.reason if block else None) == reason


def test_the_first_rule_that_refuses_answers(conditions):
    """Of several rules that refuse, the first one is named; without any, nothing is."""
    guards = GuardState(knobs=(KnobGuard(knob="committee", quarantined=True, cooldown_until=AT + 5),))
    block = first_block(PASSING, scale(6), conditions(guards=guards))
    assert block is not None
    assert block.rule == "quarantine"
    assert first_block((*LASTING, *PASSING), scale(6), conditions()) is None


def test_what_is_not_settled_is_not_built_upon(conditions):
    """A knob on which another plan may stand is left alone, whoever asks; other knobs are not."""
    standing = GuardState(unsettled=(Unsettled(knob="committee", plan_id="a" * 12, since=960.0),))
    block = unsettled(scale(6), conditions(guards=standing))
    assert block is not None
    assert block.reason == f"plan {'a' * 12}, 40 s old, was sent to Charter and is not settled"
    assert unsettled(scale(6), conditions()) is None
    elsewhere = GuardState(unsettled=(Unsettled(knob="admission", plan_id="a" * 12, since=960.0),))
    assert unsettled(scale(6), conditions(guards=elsewhere)) is None
    assert unsettled in PASSING
    assert unsettled in REQUESTED


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
def test_the_way_back_keeps_the_quorum(replicas, ill, back_to, refused, committee):
    """A rollback takes no member that the committee cannot spare, however far back it goes; growing costs none."""
    found = way_back_costs_quorum(back_to, committee(replicas, ill))
    assert found.startswith(refused)
    assert bool(found) == bool(refused)
