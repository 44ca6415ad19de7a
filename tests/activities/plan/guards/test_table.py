"""The table of guards: every guard has its cases and a mutant, and refuses under its own name."""

from dataclasses import replace

import pytest

from activities.model.guard_rule import GuardRule
from activities.model.guard_state import GuardState, KnobGuard
from activities.plan.guards.table import GUARD_BY_RULE, GUARDS, TEMPORARY_GUARDS, Clearance, Stage, find_block
from tests.activities.plan.guards.guard_cases import GUARD_CASES, GuardCases
from tests.activities.plan.guards.guard_inputs import NOW, SCALE_DOWN_ACTIONS, make_guard_input
from tests.mutation.guard_mutants import GUARD_MUTANTS


def test_every_rule_has_one_guard_cases_and_a_mutant() -> None:
    """A new rule needs a row, an input inside, outside and without state, and a mutant that takes it away."""
    rules = [guard.rule for guard in GUARDS]
    assert sorted(rules) == sorted(GuardRule)
    assert set(GUARD_CASES) == set(GuardRule)
    assert {mutant.rule for mutant in GUARD_MUTANTS} == set(GuardRule)


@pytest.mark.parametrize(("rule", "cases"), GUARD_CASES.items(), ids=list(GUARD_CASES))
def test_inside_the_limit_nothing_is_refused(rule: GuardRule, cases: GuardCases) -> None:
    """Just inside its limit no guard refuses, neither this one nor another."""
    assert find_block(Stage.PLAN, cases.actions, cases.inside) is None
    assert rule in GUARD_BY_RULE


@pytest.mark.parametrize(("rule", "cases"), GUARD_CASES.items(), ids=list(GUARD_CASES))
def test_outside_the_limit_the_guard_refuses_by_its_name(rule: GuardRule, cases: GuardCases) -> None:
    """Just outside its limit the guard refuses at each of its stages, with a reason."""
    for stage in GUARD_BY_RULE[rule].stages:
        block = find_block(stage, cases.actions, cases.outside)
        assert block is not None
        assert (block.rule, block.knob, bool(block.reason)) == (rule, "committee", True)


@pytest.mark.parametrize(("rule", "cases"), GUARD_CASES.items(), ids=list(GUARD_CASES))
def test_missing_state_is_decided(rule: GuardRule, cases: GuardCases) -> None:
    """Without the state that a guard reads it refuses, or lets pass, as the case says."""
    assert bool(GUARD_BY_RULE[rule].refuse(cases.missing_actions, cases.missing)) == cases.missing_refuses


@pytest.mark.parametrize("rule", list(GuardRule))
def test_a_guard_is_checked_at_its_stages_only(rule: GuardRule) -> None:
    """At other stages the guard is skipped, and for an operator's plan unless it binds operators."""
    guard, cases = GUARD_BY_RULE[rule], GUARD_CASES[rule]
    for stage in Stage:
        block = find_block(stage, cases.actions, cases.outside, (guard,))
        assert (block is not None) == (stage in guard.stages)
        block = find_block(stage, cases.actions, replace(cases.outside, by_operator=True), (guard,))
        assert (block is not None) == (stage in guard.stages and guard.binds_operator)


def test_an_operators_plan_is_bound_by_safety_alone() -> None:
    """What only guards against the loop itself does not bind an operator."""
    assert {guard.rule for guard in GUARDS if guard.binds_operator} == {
        GuardRule.ALLOWED,
        GuardRule.MAX_REPLICAS,
        GuardRule.QUORUM,
        GuardRule.QUARANTINE,
        GuardRule.UNSETTLED,
    }


def test_before_each_step_only_the_store_is_read() -> None:
    """What needs Charter, Alertmanager, the evidence or the diagnosis is not checked again before each step."""
    assert {guard.rule for guard in GUARDS if Stage.SEND not in guard.stages} == {
        GuardRule.QUORUM,
        GuardRule.CONFIDENCE,
        GuardRule.FOREIGN_WRITER,
        GuardRule.SILENCED,
        GuardRule.AUTONOMY,
    }


def test_guards_that_skip_the_rung_come_first() -> None:
    """The preflight check relies on it: other settings are needed before the present state matters."""
    skips_rung = [guard.skips_rung for guard in GUARDS]
    assert skips_rung == sorted(skips_rung, reverse=True)
    assert all(guard.skips_rung for guard in GUARDS if guard.clearance is Clearance.SETTINGS)


def test_the_first_guard_that_refuses_is_named() -> None:
    """Of several guards that refuse, the gravest is named."""
    knob = KnobGuard(knob="committee", quarantined=True, cool_down_until=NOW + 5)
    guard_input = make_guard_input(guards=GuardState(knobs=(knob,)))
    block = find_block(Stage.PLAN, SCALE_DOWN_ACTIONS, guard_input, TEMPORARY_GUARDS)
    assert block is not None
    assert block.rule == GuardRule.QUARANTINE
