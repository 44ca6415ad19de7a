"""Drawing among equally safe remedies."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import Action, ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import Experience, ScoredOutcome, aggregate
from activities.model.plan import Risk
from activities.plan.choose import choose
from activities.plan.context import PlanContext
from activities.plan.exploration import cycle_seed
from activities.plan.risk import compute_risk
from activities.plan.settings import PlanSettings
from tests.activities.plan.builders import make_context, make_root_cause

EXPLORATION_SETTINGS = PlanSettings(exploring=True)
KNOWN_CAUSES = [cause for cause in Cause if cause is not Cause.UNKNOWN]


def make_failures(action: ActionType, count: int) -> Experience:
    """Return the experience of so many failures against the committee's latency."""
    return aggregate([ScoredOutcome(action, Cause.VALIDATION_LATENCY, "committee", 0.0)] * count)


def draw_over_seeds(context: PlanContext, seeds: int) -> Counter[int]:
    """Return how often each rung is planned over so many seeds."""
    return Counter(plan.rung for seed in range(seeds) for plan in choose(replace(context, seed=seed)).plans)


def test_exploration_is_off_by_default() -> None:
    """By default the next rung is the lowest one, with every seed."""
    assert set(draw_over_seeds(make_context(make_root_cause("validation_latency")), 20)) == {0}


def test_the_propensities_are_the_shares_of_the_draws() -> None:
    """Over many seeds each equally safe rung is drawn as often as its propensity says."""
    context = make_context(make_root_cause("validation_latency"), settings=EXPLORATION_SETTINGS)
    propensities = {c.rung: c.propensity for c in choose(context).candidates}
    counts = draw_over_seeds(context, 400)
    assert sum(propensities.values()) == pytest.approx(1.0)
    assert {rung: count / 400 for rung, count in counts.items()} == pytest.approx(propensities, abs=0.08)
    assert len(counts) > 1


def test_a_failing_rung_is_drawn_less() -> None:
    """After ten failures the first rung is drawn less than a quarter as often."""
    before, after = (
        draw_over_seeds(
            make_context(
                make_root_cause("validation_latency"),
                settings=EXPLORATION_SETTINGS,
                experience=make_failures(ActionType.SCALE_UP, count),
            ),
            100,
        )[0]
        for count in (0, 10)
    )
    assert after < before / 4


@given(cause=st.sampled_from(KNOWN_CAUSES), seed=st.integers(0, 2**32 - 1))
def test_exploration_never_takes_a_greater_risk(cause: Cause, seed: int) -> None:
    """Each cause gets one plan, as safe as without exploration; a drawn one needs no approval."""
    default, explored = (
        choose(replace(make_context(make_root_cause(cause), settings=settings), seed=seed))
        for settings in (PlanSettings(), EXPLORATION_SETTINGS)
    )
    assert len(explored.plans) == len(default.plans)
    for drawn, expected in zip(explored.plans, default.plans, strict=True):
        if drawn.actions != expected.actions:
            assert (drawn.risk, drawn.needs_approval) == (expected.risk, False)
    assert choose(replace(make_context(make_root_cause(cause), settings=EXPLORATION_SETTINGS), seed=seed)) == explored


def test_candidates_that_are_not_drawn_hold_the_odds() -> None:
    """Each rejected one names its rule and the odds of all."""
    rejected = [
        c
        for c in choose(make_context(make_root_cause("validation_latency"), settings=EXPLORATION_SETTINGS)).candidates
        if c.rejected_by
    ]
    assert {c.rejected_by for c in rejected} == {"not-drawn"}
    assert all("odds of the draw: SCALE_UP 0." in c.reason for c in rejected)


def test_riskier_rungs_wait() -> None:
    """A restart cannot be undone: it is never drawn beside a rebalancing, and waits until that was tried."""
    restart = Action(type=ActionType.RESTART_SERVICE, component="gateway", parameters={"member": "gateway"})
    assert compute_risk((restart,), 8) is Risk.MEDIUM
    decision = choose(make_context(make_root_cause("overload", component="gateway"), settings=EXPLORATION_SETTINGS))
    assert [(c.actions[0].type, c.rejected_by) for c in decision.candidates] == [
        (ActionType.REBALANCE_LOAD, ""),
        (ActionType.RESTART_SERVICE, "ladder"),
    ]


def test_each_cycle_has_its_own_seed() -> None:
    """A cycle that is decided again draws the same; another cycle has another seed."""
    assert (
        cycle_seed("mapek-cycle:charter-1")
        == cycle_seed("mapek-cycle:charter-1")
        != cycle_seed("mapek-cycle:charter-2")
    )
    assert 0 <= cycle_seed("") < 2**32


def test_the_minimum_effectiveness_is_a_setting() -> None:
    """A remedy with a lower bound below it is rejected with both numbers; by default none is."""
    strict = PlanSettings(min_effectiveness=0.3)
    decision = choose(make_context(make_root_cause("validation_latency"), settings=strict))
    assert {c.rejected_by for c in decision.candidates} == {"evidence"}
    assert "(95 %) < plan.min_effectiveness 0.300" in decision.candidates[0].reason
    experience = aggregate([ScoredOutcome(ActionType.SCALE_UP, Cause.VALIDATION_LATENCY, "committee", 1.0)] * 20)
    assert choose(make_context(make_root_cause("validation_latency"), settings=strict, experience=experience)).plans
