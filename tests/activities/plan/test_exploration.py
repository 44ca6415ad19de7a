"""Drawing among equally safe remedies."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import Action, ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import Counted, summed
from activities.model.plan import Risk
from activities.plan.choose import choose
from activities.plan.exploration import seed_of
from activities.plan.risk import risk_of
from activities.plan.settings import PlanSettings

EXPLORING = PlanSettings(exploring=True)
CAUSES = [cause for cause in Cause if cause is not Cause.UNKNOWN]


def failed(action, n, cause=Cause.VALIDATION_LATENCY):
    return summed([Counted(action, cause, "committee", 0.0)] * n)


def drawn_over(context, seeds):
    return Counter(plan.rung for seed in range(seeds) for plan in choose(replace(context, seed=seed)).plans)


def test_it_is_off_by_default(root, context):
    """Without a person's decision the next rung is always the lowest one, whatever the seed."""
    assert set(drawn_over(context(root("validation_latency")), 20)) == {0}


def test_every_equally_safe_rung_has_its_chance_and_its_probability(root, context):
    """The shares of the choices over many seeds are the probabilities kept with each decision."""
    here = context(root("validation_latency"), settings=EXPLORING)
    kept = {c.rung: c.propensity for c in choose(here).candidates}
    counts = drawn_over(here, 400)
    assert sum(kept.values()) == pytest.approx(1.0)
    assert {rung: count / 400 for rung, count in counts.items()} == pytest.approx(kept, abs=0.08)
    assert len(counts) > 1


def test_what_failed_is_drawn_less(root, context):
    """Ten failures of the first rung leave its draws to the others."""
    usual, warned = (
        drawn_over(context(root("validation_latency"), settings=EXPLORING, **changes), 100)[0]
        for changes in ({}, {"experience": failed(ActionType.SCALE_UP, 10)})
    )
    assert warned < usual / 4


@given(cause=st.sampled_from(CAUSES), seed=st.integers(0, 2**32 - 1))
def test_exploring_never_takes_a_greater_risk(root, context, cause, seed):
    """What is drawn is as safe as what would have been taken, waits for nobody, and there is one for each cause."""
    usual, explored = (
        choose(replace(context(root(cause), settings=settings), seed=seed)) for settings in (PlanSettings(), EXPLORING)
    )
    assert len(explored.plans) == len(usual.plans)
    for ours, theirs in zip(explored.plans, usual.plans, strict=True):
        if ours.actions != theirs.actions:
            assert (ours.risk, ours.needs_approval, ours.reversible) == (theirs.risk, False, True)
    assert choose(replace(context(root(cause), settings=EXPLORING), seed=seed)) == explored


def test_those_not_drawn_say_so_with_the_odds(root, context):
    """Each rejected one names its rule, and the odds of all."""
    rejected = [c for c in choose(context(root("validation_latency"), settings=EXPLORING)).candidates if c.rejected_by]
    assert {c.rejected_by for c in rejected} == {"not-drawn"}
    assert all("drawn by lot: SCALE_UP 0." in c.reason for c in rejected)


def test_riskier_rungs_wait(root, context):
    """A restart cannot be undone: it is never drawn beside a rebalancing, and waits until that was tried."""
    restart = Action(type=ActionType.RESTART_SERVICE, component="gateway", parameters={"member": "gateway"})
    assert risk_of((restart,), 8) is Risk.MEDIUM
    decision = choose(context(root("overload", component="gateway"), settings=EXPLORING))
    assert [(c.actions[0].type, c.rejected_by) for c in decision.candidates] == [
        (ActionType.REBALANCE_LOAD, ""),
        (ActionType.RESTART_SERVICE, "ladder"),
    ]


def test_a_cycle_decided_again_draws_the_same():
    """The seed is the cycle's own: another cycle has another one."""
    assert seed_of("mapek-cycle:charter-1") == seed_of("mapek-cycle:charter-1") != seed_of("mapek-cycle:charter-2")
    assert 0 <= seed_of("") < 2**32


def test_too_little_evidence_is_a_setting(root, context):
    """A remedy whose lower bound is below the least effect is rejected with both numbers; by default none is."""
    strict = PlanSettings(least_effect=0.3)
    decision = choose(context(root("validation_latency"), settings=strict))
    assert {c.rejected_by for c in decision.candidates} == {"evidence"}
    assert "< 0.300 with 95 %" in decision.candidates[0].reason
    told = summed([Counted(ActionType.SCALE_UP, Cause.VALIDATION_LATENCY, "committee", 1.0)] * 20)
    assert choose(context(root("validation_latency"), settings=strict, experience=told)).plans
