"""Each guard stops a plan when it is chosen, when it is prepared and before it is sent, by its own name."""

from dataclasses import replace
from datetime import date

import pytest

from activities.execute.pre_apply import build_pre_apply_check, build_remediation_record
from activities.execute.prepare.preflight import PreflightFacts, preflight_check
from activities.execute.settings import ExecuteSettings
from activities.model.action import Action, ActionType
from activities.model.autonomy import Autonomy, Level
from activities.model.charter import Change, Committee, Member
from activities.model.diagnosis import Cause, RootCause
from activities.model.guard_state import GuardState, KnobGuard, UnsettledPlan
from activities.model.history import RemediationRecord
from activities.model.mode import LoopMode, Mode, with_kill_switch
from activities.model.storm import Storm
from activities.monitor.current_state import CurrentState
from activities.plan.guards.base import GuardInput
from activities.plan.guards.settings import FreezeDates, RateSettings, Window
from activities.plan.guards.table import PASSING_GUARDS, Stage, find_block
from activities.plan.settings import PlanSettings

NOW = 100_000.0
ACT_MODE = Mode(loop="charter", name=LoopMode.ACT)
STORM = Storm(loop="charter", since=NOW - 100, reason="75% in trouble or blind")
MEMBERS = tuple(Member(name=f"validator-{i}", leader=i == 1) for i in range(1, 6))
COMMITTEE = Committee(
    replicas=5, healthy_nodes=5, generation=7, members=MEMBERS, last_change=Change(key="deploy-1", generation=7)
)
SCALE_DOWN_ACTION = Action(type=ActionType.SCALE_DOWN, parameters={"replicas": 4})


def make_remediation_record(seconds_ago, **changes):
    """Return a remediation of the committee by this loop that was fixed within a minute."""
    usual = {
        "plan_id": f"p{seconds_ago}",
        "loop": "charter",
        "knob": "committee",
        "knob_direction": 1,
        "affected_components": ("committee",),
    }
    return RemediationRecord(
        **(usual | {"started_at": NOW - seconds_ago, "ended_at": NOW - seconds_ago + 60, "outcome": "fixed"} | changes)
    )


def make_guard_state(*remediations, knobs=()):
    """Return a guard state."""
    return {"guards": GuardState(recent_remediations=remediations, knobs=knobs)}


ALWAYS_WINDOW = Window(name="always", cron="* * * * *", duration_seconds=120)
PERMANENT_FREEZE = FreezeDates(name="ever", first=date(1970, 1, 1), last=date(1970, 1, 2))
RUNNING_REMEDIATION = make_remediation_record(
    90, knob="rebalance-load.gateway", affected_components=("gateway",), ended_at=None, outcome=""
)

BLOCKING_STATES = {
    "quarantine": make_guard_state(knobs=(KnobGuard(knob="committee", quarantined=True),)),
    "unsettled": {"guards": GuardState(unsettled=(UnsettledPlan(knob="committee", plan_id="other", since=NOW - 100),))},
    "storm": {"guards": GuardState(storms=(STORM,))},
    "frozen": make_guard_state(*(make_remediation_record(ago, outcome="failed") for ago in (300, 4000, 8000))),
    "foreign-writer": make_guard_state(make_remediation_record(600, generation=6, knob_direction=0)),
    "cool-down": make_guard_state(knobs=(KnobGuard(knob="committee", cooldown_until=NOW + 5),)),
    "reverse": make_guard_state(make_remediation_record(600, generation=7)),
    "budget": {"settings": PlanSettings(rates=RateSettings(loop_per_hour=0))},
    "concurrency": make_guard_state(RUNNING_REMEDIATION),
    "freeze-date": {"settings": PlanSettings(freeze_dates=(PERMANENT_FREEZE,))},
    "window": {"settings": PlanSettings(windows=(ALWAYS_WINDOW,))},
    "kill-switch": {"mode": with_kill_switch("kill switch: /k", ACT_MODE)},
    "mode": {"mode": Mode(loop="charter", name=LoopMode.OBSERVE)},
}
"""For each passing rule what it alone refuses a SCALE_DOWN by; everything else lets it through."""
CHARTER_RULES = frozenset({"foreign-writer"})
"""Told by Charter's state, which is not read again before each step: there the knob's generation is the fence."""


def make_unblocked_input(**changes):
    """Return where nothing is held back, with these changes."""
    usual = {"at": NOW, "mode": ACT_MODE, "guards": GuardState(), "committee": COMMITTEE, "settings": PlanSettings()}
    return usual | changes


def make_guard_input(rule=""):
    """Return what the rules look at, with what one of them refuses."""
    seen = make_unblocked_input(**BLOCKING_STATES.get(rule, {}))
    return GuardInput(
        **seen,
        root=RootCause(cause=Cause.VALIDATION_LATENCY, component="committee", confidence=0.9),
        autonomy=Autonomy(start=Level.AUTO),
        loop="charter",
        component_count=8,
        storm=seen["guards"].storm("charter"),
    )


def make_preflight_facts(rule=""):
    """Return what is seen just before the apply, with the same."""
    seen = make_unblocked_input(**BLOCKING_STATES.get(rule, {}))
    violated = frozenset({("validator-1", "p99")})
    state = CurrentState(violated=violated, blind=frozenset(), committee=seen.pop("committee"), policies=())
    return PreflightFacts(
        **seen,
        state=state,
        component_count=8,
        execute=ExecuteSettings(),
        autonomy=Autonomy(start=Level.AUTO),
        storm=seen["guards"].storm("charter"),
    )


def test_there_is_a_case_for_every_rule():
    """Every guard that is checked before each step has a case, and without a case nothing is refused."""
    rules = {guard.rule for guard in PASSING_GUARDS if Stage.SEND in guard.stages}
    assert set(BLOCKING_STATES) == rules | CHARTER_RULES
    assert find_block(Stage.PLAN, (SCALE_DOWN_ACTION,), make_guard_input()) is None


@pytest.mark.parametrize("name", BLOCKING_STATES)
def test_stopped_when_it_is_chosen(name):
    """The planner's rules refuse it."""
    block = find_block(Stage.PLAN, (SCALE_DOWN_ACTION,), make_guard_input(name))
    assert block is not None
    assert (block.rule, bool(block.reason)) == (name, True)


@pytest.mark.parametrize("name", BLOCKING_STATES)
def test_stopped_when_it_is_prepared(name, make_plan):
    """What became true since the plan was made makes it stale, with the rule in its own field."""
    made = make_plan(SCALE_DOWN_ACTION, created_at=NOW - 20)
    assert preflight_check(made, make_preflight_facts()).outcome == ""
    prepared = preflight_check(made, make_preflight_facts(name))
    assert (prepared.outcome, prepared.blocked_by, prepared.loop) == ("stale", name, "charter")
    assert prepared.headline.startswith(f"stale: {name}: ")


@pytest.mark.parametrize("name", BLOCKING_STATES)
def test_stopped_before_it_is_sent(name, make_plan):
    """What became true since it was prepared stops the step."""
    made, seen = make_plan(SCALE_DOWN_ACTION, component_count=8), make_unblocked_input(**BLOCKING_STATES[name])
    assert build_pre_apply_check(made, ACT_MODE, PlanSettings(), NOW)(GuardState()) is None
    block = build_pre_apply_check(made, seen["mode"], seen["settings"], NOW)(seen["guards"])
    assert (block.rule if block else "") == ("" if name in CHARTER_RULES else name)


@pytest.mark.parametrize("name", sorted(set(BLOCKING_STATES) - {"quarantine", "unsettled"}))
def test_a_persons_plan_is_not_held_back(name, make_plan):
    """What guards against the loop itself does not bind a person."""
    made = make_plan(SCALE_DOWN_ACTION, created_at=NOW - 20, requested_by="ada", component_count=8)
    assert preflight_check(made, make_preflight_facts(name)).outcome == ""
    seen = make_unblocked_input(**BLOCKING_STATES[name])
    assert build_pre_apply_check(made, seen["mode"], seen["settings"], NOW)(seen["guards"]) is None


def test_a_pause_lets_what_has_begun_end(make_plan):
    """The mode stops a plan that has not begun, and none of which a step was sent already."""
    made, paused = (
        make_plan(SCALE_DOWN_ACTION, component_count=8),
        make_unblocked_input(**BLOCKING_STATES["mode"])["mode"],
    )
    block = build_pre_apply_check(made, paused, PlanSettings(), NOW)(GuardState())
    assert block is not None
    assert block.rule == "mode"
    under_way = GuardState(recent_remediations=(build_remediation_record(made, NOW - 5),))
    assert build_pre_apply_check(made, paused, PlanSettings(), NOW)(under_way) is None


def test_silenced_since_the_decision(make_plan):
    """A silence that came after the plan makes it stale too."""
    made = make_plan(SCALE_DOWN_ACTION, created_at=NOW - 20)
    prepared = preflight_check(made, replace(make_preflight_facts(), silenced=("validator-1",)))
    assert (prepared.outcome, prepared.blocked_by) == ("stale", "silenced")


def test_a_beginning_is_remembered_as_it_is(make_plan, actions):
    """What is noted says which knob is turned which way, for which trouble, and what is touched."""
    noted = build_remediation_record(make_plan(actions["scale"], actions["restart"]), NOW)
    assert (noted.knob, noted.knob_direction, noted.affected_components) == (
        "committee",
        1,
        ("committee", "validator-2"),
    )
    assert (noted.cause, noted.component, noted.started_at, noted.ended_at) == (
        "validation_latency",
        "committee",
        NOW,
        None,
    )
    assert build_remediation_record(make_plan(SCALE_DOWN_ACTION), NOW).knob_direction == -1
