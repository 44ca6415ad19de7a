"""Each guard refuses a plan when it is prepared and before each step is sent, under its own name."""

from dataclasses import replace

import pytest

from activities.execute.pre_apply import build_pre_apply_check, build_remediation_record
from activities.execute.prepare.preflight import PreflightFacts, preflight_check
from activities.execute.settings import ExecuteSettings
from activities.model.action import Action
from activities.model.decision import Block
from activities.model.guard_rule import GuardRule
from activities.model.guard_state import GuardState
from activities.model.plan import Plan
from activities.monitor.current_state import CurrentState
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.guards.table import GUARD_BY_RULE, GUARDS, Clearance, Stage
from tests.activities.execute.conftest import TARGETS, PlanFactory
from tests.activities.plan.guards.guard_cases import GUARD_CASES
from tests.activities.plan.guards.guard_inputs import NOW, SCALE_DOWN_ACTIONS

MODE_CASES = GUARD_CASES[GuardRule.MODE]
PREPARE_RULES = [guard.rule for guard in GUARDS if Stage.PREPARE in guard.stages]
SEND_RULES = [guard.rule for guard in GUARDS if Stage.SEND in guard.stages]
LOOP_ONLY_RULES = [rule for rule in PREPARE_RULES if not GUARD_BY_RULE[rule].binds_operator]
"""The guards that do not bind a plan of an operator."""


def make_facts(guard_input: GuardInput) -> PreflightFacts:
    """Return facts with the state that a guard reads."""
    return PreflightFacts(
        at=guard_input.at,
        mode=guard_input.mode,
        guards=guard_input.guards,
        state=CurrentState(frozenset(TARGETS), frozenset(), guard_input.committee, guard_input.policies),
        component_count=guard_input.component_count,
        settings=guard_input.settings,
        execute=ExecuteSettings(),
        autonomy=guard_input.autonomy,
        storm=guard_input.storm,
        silenced=guard_input.silenced,
    )


def make_checked_plan(
    make_plan: PlanFactory, guard_input: GuardInput, actions: Actions, requested_by: str = ""
) -> Plan:
    """Return a plan decided shortly before the input."""
    count = guard_input.component_count
    return make_plan(*actions, created_at=NOW - 20, component_count=count, requested_by=requested_by)


def check_before_send(plan: Plan, guard_input: GuardInput) -> Block | None:
    """Return the block of the plan's next step."""
    guards = guard_input.guards
    if guard_input.storm is not None:
        guards = guards.model_copy(update={"storms": (guard_input.storm,)})
    return build_pre_apply_check(plan, guard_input.mode, guard_input.settings, guard_input.at)(guards)


@pytest.mark.parametrize("rule", PREPARE_RULES)
def test_a_guard_refuses_a_plan_that_is_prepared(rule: GuardRule, make_plan: PlanFactory) -> None:
    """Just inside its limit the plan is ready; just outside it is refused, with the rule in its own field."""
    cases = GUARD_CASES[rule]
    plan = make_checked_plan(make_plan, cases.inside, cases.actions)
    assert preflight_check(plan, make_facts(cases.inside)).outcome == ""
    prepared = preflight_check(plan, make_facts(cases.outside))
    outcome = "rejected" if GUARD_BY_RULE[rule].clearance is Clearance.SETTINGS else "stale"
    assert (prepared.outcome, prepared.blocked_by, prepared.loop) == (outcome, rule, "charter")
    assert prepared.headline.startswith(f"{outcome}: {rule}: ")


@pytest.mark.parametrize("rule", GUARD_CASES)
def test_a_guard_refuses_a_step_before_it_is_sent(rule: GuardRule, make_plan: PlanFactory) -> None:
    """A guard of this stage blocks the step; any other lets it pass, because its state is not read again."""
    cases = GUARD_CASES[rule]
    plan = make_checked_plan(make_plan, cases.inside, cases.actions)
    assert check_before_send(plan, cases.inside) is None
    plan = make_checked_plan(make_plan, cases.outside, cases.actions)
    block = check_before_send(plan, cases.outside)
    assert (block.rule if block else "") == (rule if rule in SEND_RULES else "")


@pytest.mark.parametrize("rule", LOOP_ONLY_RULES)
def test_a_plan_of_an_operator_is_bound_by_safety_alone(rule: GuardRule, make_plan: PlanFactory) -> None:
    """A guard against the loop's own errors does not refuse a plan that an operator requested."""
    cases = GUARD_CASES[rule]
    plan = make_checked_plan(make_plan, cases.outside, cases.actions, requested_by="ada")
    assert preflight_check(plan, make_facts(cases.outside)).outcome == ""
    assert check_before_send(plan, cases.outside) is None


def test_a_pause_does_not_block_a_plan_that_has_started(make_plan: PlanFactory) -> None:
    """The mode blocks a plan only before its first step."""
    plan = make_checked_plan(make_plan, MODE_CASES.outside, SCALE_DOWN_ACTIONS)
    block = check_before_send(plan, MODE_CASES.outside)
    assert block is not None
    assert block.rule == "mode"
    started = GuardState(recent_remediations=(build_remediation_record(plan, NOW - 5),))
    assert check_before_send(plan, replace(MODE_CASES.outside, guards=started)) is None


def test_the_components_of_the_targets_are_affected_too(make_plan: PlanFactory) -> None:
    """A silence of a target's component makes the plan stale, as one of its own component does."""
    guard_input = replace(MODE_CASES.inside, silenced=(TARGETS[0][0],))
    prepared = preflight_check(make_checked_plan(make_plan, guard_input, SCALE_DOWN_ACTIONS), make_facts(guard_input))
    assert (prepared.outcome, prepared.blocked_by) == ("stale", "silenced")


def test_the_record_of_a_remediation_has_knob_direction_problem_and_components(
    make_plan: PlanFactory, actions: dict[str, Action]
) -> None:
    """The guards learn the knob, the direction of the change, its problem and the affected components."""
    record = build_remediation_record(make_plan(actions["scale"], actions["restart"]), NOW)
    assert (record.knob, record.knob_direction) == ("committee", 1)
    assert record.affected_components == ("committee", "validator-2")
    assert (record.cause, record.component) == ("validation_latency", "committee")
    assert (record.started_at, record.ended_at) == (NOW, None)
    assert build_remediation_record(make_plan(*SCALE_DOWN_ACTIONS), NOW).knob_direction == -1
