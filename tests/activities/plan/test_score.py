"""What a candidate costs and brings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import Action, ActionType
from activities.model.diagnosis import Cause, RootCause
from activities.model.experience import ActionStats, Experience
from activities.plan.score import combine_independent, compute_benefit, score_candidate, with_costs
from activities.plan.settings import DEFAULT_COSTS, PlanSettings

SHARES = st.floats(0, 1)
SETTINGS = (PlanSettings(), KnowledgeSettings())


@pytest.mark.parametrize(
    ("types", "cost"),
    [
        (("SCALE_UP",), 0.2),
        (("SCALE_UP", "RESTART_SERVICE"), 0.44),
        (("BYPASS_VALIDATION", "ACTIVATE_EMERGENCY_OVERRIDE"), 0.88),
    ],
)
def test_costs_add_up_as_independent_chances(types, cost, make_root_cause):
    """Several actions cost 1 − Π(1 − cᵢ), with the configured figures."""
    actions = tuple(Action(type=ActionType(t)) for t in types)
    assert score_candidate(make_root_cause("overload"), 0, actions, Experience(), SETTINGS).cost == pytest.approx(cost)


def test_a_type_left_out_of_the_cost_model_keeps_its_figure():
    """A partial cost model changes only what it names."""
    settings = PlanSettings(cost_model={ActionType.SCALE_UP: 0.5})
    paid = with_costs((Action(type=ActionType.SCALE_UP), Action(type=ActionType.SCALE_DOWN)), settings)
    assert [a.cost for a in paid] == [0.5, DEFAULT_COSTS[ActionType.SCALE_DOWN]]


def test_the_documented_example(make_root_cause):
    """SCALE_UP at confidence 0.85 and the prior 0.80 is worth 0.68 − 0.20 = 0.48."""
    found = score_candidate(
        make_root_cause("validation_latency"), 0, (Action(type=ActionType.SCALE_UP),), Experience(), SETTINGS
    )
    assert (found.benefit, found.cost, found.score) == pytest.approx((0.68, 0.20, 0.48))


def test_effectiveness_is_of_this_action_against_this_cause(make_root_cause):
    """What was learned against another cause does not count."""
    learned = tuple(
        ActionStats(action=ActionType.SCALE_UP, cause=cause, count=30, total=total)
        for cause, total in ((Cause.OVERLOAD, 0.0), (Cause.VALIDATION_LATENCY, 30.0))
    )
    actions = (Action(type=ActionType.SCALE_UP),)
    found = score_candidate(make_root_cause("overload"), 0, actions, Experience(action_stats=learned), SETTINGS)
    assert found.effectiveness == 0.0


@given(SHARES, SHARES, SHARES, SHARES)
def test_benefit_rises_with_confidence_and_effectiveness_up_to_the_target(a, b, effect, target):
    """Monotone in both factors, never above the target, symmetric."""
    low, high = sorted((a, b))
    assert compute_benefit(low, effect, target) <= compute_benefit(high, effect, target) <= target
    assert compute_benefit(low, effect, target) == compute_benefit(effect, low, target)


@given(st.lists(SHARES, max_size=4), SHARES)
def test_a_further_action_never_costs_less(costs, more):
    """Adding an action never lowers the cost, and it never passes 1; none costs nothing."""
    assert combine_independent(()) == 0.0
    assert combine_independent(costs) - 1e-12 <= combine_independent([*costs, more]) <= 1.0


@given(SHARES, SHARES, SHARES)
def test_score_falls_with_cost(confidence, a, b):
    """The dearer of two candidates that promise the same never has the higher score."""
    low, high = sorted((a, b))
    kind = ActionType.REBALANCE_LOAD
    cause = {"cause": Cause.OVERLOAD, "component": "gateway", "confidence": confidence}
    cheap, dear = (_score_candidate(cause, PlanSettings(cost_model={kind: cost})) for cost in (low, high))
    assert dear <= cheap


def _score_candidate(cause, settings):
    action = Action(type=ActionType.REBALANCE_LOAD, component="gateway")
    return score_candidate(RootCause(**cause), 0, (action,), Experience(), (settings, KnowledgeSettings())).score
