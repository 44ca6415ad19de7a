"""Drawing among equally safe remedies."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import Action, ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import ScoredOutcome, aggregate
from activities.model.plan import Risk
from activities.plan.choose import choose
from activities.plan.exploration import cycle_seed
from activities.plan.risk import compute_risk
from activities.plan.settings import PlanSettings
from tests.activities.plan.builders import make_context, make_root_cause

EXPLORATION_SETTINGS = PlanSettings(exploring=True)
KNOWN_CAUSES = [cause for cause in Cause if cause is not Cause.UNKNOWN]


def make_failures(action, count, cause=Cause.VALIDATION_LATENCY):
    return aggregate([ScoredOutcome(action, cause, "committee", 0.0)] * count)


def draw_over_seeds(context, seeds):
    return Counter(plan.rung for seed in range(seeds) for plan in choose(replace(context, seed=seed)).plans)


def test_it_is_off_by_default() -> None:
    """Without a person's decision the next rung is always the lowest one, whatever the seed."""
    assert set(draw_over_seeds(make_context(make_root_cause("validation_latency")), 20)) == {0}


def test_every_equally_safe_rung_has_its_chance_and_its_probability() -> None:
    """The shares of the choices over many seeds are the probabilities kept with each decision."""
    here = make_context(make_root_cause("validation_latency"), settings=EXPLORATION_SETTINGS)
    kept = {c.rung: c.propensity for c in choose(here).candidates}
    counts = draw_over_seeds(here, 400)
    assert sum(kept.values()) == pytest.approx(1.0)
    assert {rung: count / 400 for rung, count in counts.items()} == pytest.approx(kept, abs=0.08)
    assert len(counts) > 1


def test_what_failed_is_drawn_less() -> None:
    """Ten failures of the first rung leave its draws to the others."""
    usual, warned = (
        draw_over_seeds(
            make_context(make_root_cause("validation_latency"), settings=EXPLORATION_SETTINGS, **changes), 100
        )[0]
        for changes in ({}, {"experience": make_failures(ActionType.SCALE_UP, 10)})
    )
    assert warned < usual / 4


@given(cause=st.sampled_from(KNOWN_CAUSES), seed=st.integers(0, 2**32 - 1))
def test_exploring_never_takes_a_greater_risk(cause: Cause, seed: int) -> None:
    """What is drawn is as safe as what would have been taken, waits for nobody, and there is one for each cause."""
    usual, explored = (
        choose(replace(make_context(make_root_cause(cause), settings=settings), seed=seed))
        for settings in (PlanSettings(), EXPLORATION_SETTINGS)
    )
    assert len(explored.plans) == len(usual.plans)
    for ours, theirs in zip(explored.plans, usual.plans, strict=True):
        if ours.actions != theirs.actions:
            assert (ours.risk, ours.needs_approval) == (theirs.risk, False)
    assert choose(replace(make_context(make_root_cause(cause), settings=EXPLORATION_SETTINGS), seed=seed)) == explored


def test_those_not_drawn_say_so_with_the_odds() -> None:
    """Each rejected one names its rule, and the odds of all."""
    rejected = [
        c
        for c in choose(make_context(make_root_cause("validation_latency"), settings=EXPLORATION_SETTINGS)).candidates
        if c.rejected_by
    ]
    assert {c.rejected_by for c in rejected} == {"not-drawn"}
    assert all("drawn by lot: SCALE_UP 0." in c.reason for c in rejected)


def test_riskier_rungs_wait() -> None:
    """A restart cannot be undone: it is never drawn beside a rebalancing, and waits until that was tried."""
    restart = Action(type=ActionType.RESTART_SERVICE, component="gateway", parameters={"member": "gateway"})
    assert compute_risk((restart,), 8) is Risk.MEDIUM
    decision = choose(make_context(make_root_cause("overload", component="gateway"), settings=EXPLORATION_SETTINGS))
    assert [(c.actions[0].type, c.rejected_by) for c in decision.candidates] == [
        (ActionType.REBALANCE_LOAD, ""),
        (ActionType.RESTART_SERVICE, "ladder"),
    ]


def test_a_cycle_decided_again_draws_the_same() -> None:
    """The seed is the cycle's own: another cycle has another one."""
    assert (
        cycle_seed("mapek-cycle:charter-1")
        == cycle_seed("mapek-cycle:charter-1")
        != cycle_seed("mapek-cycle:charter-2")
    )
    assert 0 <= cycle_seed("") < 2**32


def test_too_little_evidence_is_a_setting() -> None:
    """A remedy whose lower bound is below the least effect is rejected with both numbers; by default none is."""
    strict = PlanSettings(min_effectiveness=0.3)
    decision = choose(make_context(make_root_cause("validation_latency"), settings=strict))
    assert {c.rejected_by for c in decision.candidates} == {"evidence"}
    assert "< 0.300 with 95 %" in decision.candidates[0].reason
    told = aggregate([ScoredOutcome(ActionType.SCALE_UP, Cause.VALIDATION_LATENCY, "committee", 1.0)] * 20)
    assert choose(make_context(make_root_cause("validation_latency"), settings=strict, experience=told)).plans
