"""Cost, benefit and score of a candidate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import Action, ActionType
from activities.model.diagnosis import Cause, RootCause
from activities.model.experience import ActionStats, Experience
from activities.plan.score import combine_independent, compute_benefit, score_candidate, with_costs
from activities.plan.settings import DEFAULT_COSTS, PlanSettings
from tests.activities.plan.builders import make_root_cause

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
def test_costs_add_up_as_independent_chances(types: tuple[str, ...], cost: float) -> None:
    """Several actions cost 1 − Π(1 − cᵢ), with the configured figures."""
    actions = tuple(Action(type=ActionType(t)) for t in types)
    assert score_candidate(make_root_cause("overload"), 0, actions, Experience(), SETTINGS).cost == pytest.approx(cost)


def test_a_type_missing_from_the_cost_model_keeps_its_default() -> None:
    """A partial cost model changes only the types that it names."""
    settings = PlanSettings(cost_model={ActionType.SCALE_UP: 0.5})
    actions = with_costs((Action(type=ActionType.SCALE_UP), Action(type=ActionType.SCALE_DOWN)), settings)
    assert [a.cost for a in actions] == [0.5, DEFAULT_COSTS[ActionType.SCALE_DOWN]]


def test_the_documented_example() -> None:
    """SCALE_UP at confidence 0.85 and the prior 0.80 scores 0.68 − 0.20 = 0.48."""
    found = score_candidate(
        make_root_cause("validation_latency"), 0, (Action(type=ActionType.SCALE_UP),), Experience(), SETTINGS
    )
    assert (found.benefit, found.cost, found.score) == pytest.approx((0.68, 0.20, 0.48))


def test_effectiveness_is_of_this_action_against_this_cause() -> None:
    """Experience against another cause does not count."""
    learned = tuple(
        ActionStats(action=ActionType.SCALE_UP, cause=cause, count=30, total=total)
        for cause, total in ((Cause.OVERLOAD, 0.0), (Cause.VALIDATION_LATENCY, 30.0))
    )
    actions = (Action(type=ActionType.SCALE_UP),)
    found = score_candidate(make_root_cause("overload"), 0, actions, Experience(action_stats=learned), SETTINGS)
    assert found.effectiveness == 0.0


@given(SHARES, SHARES, SHARES, SHARES)
def test_benefit_rises_with_confidence_and_effectiveness_up_to_the_target(
    a: float, b: float, effect: float, target: float
) -> None:
    """Monotone in both factors, never above the target, symmetric."""
    low, high = sorted((a, b))
    assert compute_benefit(low, effect, target) <= compute_benefit(high, effect, target) <= target
    assert compute_benefit(low, effect, target) == compute_benefit(effect, low, target)


@given(st.lists(SHARES, max_size=4), SHARES)
def test_a_further_action_never_costs_less(costs: list[float], further: float) -> None:
    """A further action never lowers the cost, which is at most 1; no action costs 0."""
    assert combine_independent(()) == 0.0
    assert combine_independent(costs) - 1e-12 <= combine_independent([*costs, further]) <= 1.0


@given(SHARES, SHARES, SHARES)
def test_score_falls_with_cost(confidence: float, a: float, b: float) -> None:
    """Of two candidates with the same benefit the more expensive one never has the higher score."""
    low, high = sorted((a, b))
    assert _score_rebalance(confidence, high) <= _score_rebalance(confidence, low)


def _score_rebalance(confidence: float, cost: float) -> float:
    settings = PlanSettings(cost_model={ActionType.REBALANCE_LOAD: cost})
    root = RootCause(cause=Cause.OVERLOAD, component="gateway", confidence=confidence)
    action = Action(type=ActionType.REBALANCE_LOAD, component="gateway")
    return score_candidate(root, 0, (action,), Experience(), (settings, KnowledgeSettings())).score
