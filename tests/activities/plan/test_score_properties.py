"""Properties of every choice by score."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.incident import Incident, Rung
from activities.model.plan import Plan
from activities.plan.choose import choose
from activities.plan.settings import ApprovalSettings, PlanSettings
from activities.plan.strategies import LADDERS
from tests.activities.plan.builders import make_context, make_root_cause

KNOWN_CAUSES = [cause for cause in Cause if cause is not Cause.UNKNOWN]
ACTION_COSTS = st.dictionaries(st.sampled_from(ActionType), st.floats(0.0, 1.0))


@given(
    cause=st.sampled_from(KNOWN_CAUSES), costs=ACTION_COSTS, confidence=st.floats(0.0, 1.0), target=st.floats(0.0, 1.0)
)
def test_a_candidate_without_gain_is_never_chosen(
    cause: Cause, costs: dict[ActionType, float], confidence: float, target: float
) -> None:
    """The benefit of every plan is higher than its cost."""
    settings = PlanSettings(cost_model=costs, benefit_target=target, min_confidence=0.0)
    decision = choose(make_context(make_root_cause(cause, confidence=confidence), settings=settings))
    assert all(plan.score > 0.0 and plan.benefit > plan.cost for plan in decision.plans)
    assert all(c.rejected_by for c in decision.candidates if c.score <= 0.0)


@given(cause=st.sampled_from(KNOWN_CAUSES), factor=st.floats(1e-3, 1e3))
def test_the_units_of_values_change_no_score(cause: Cause, factor: float) -> None:
    """Values and limits multiplied by the same factor leave every score and choice as it is."""
    plain = make_context(make_root_cause(cause))
    violations = tuple(
        v.model_copy(update={"value": (v.value or 0.0) * factor, "limit": (v.limit or 0.0) * factor})
        for v in plain.diagnosis.violations
    )
    scaled = replace(plain, diagnosis=plain.diagnosis.model_copy(update={"violations": violations}))
    assert choose(scaled).candidates == choose(plain).candidates


@given(cause=st.sampled_from(KNOWN_CAUSES), low=st.floats(0.0, 1.0), high=st.floats(0.0, 1.0))
def test_more_confidence_never_lowers_a_score(cause: Cause, low: float, high: float) -> None:
    """The same remedies against a cause with more confidence score no less."""
    low, high = sorted((low, high))
    less, more = (
        {
            (c.knob, c.rung): c.score
            for c in choose(make_context(make_root_cause(cause, confidence=confidence))).candidates
        }
        for confidence in (low, high)
    )
    assert less.keys() == more.keys()
    assert all(more[key] >= less[key] for key in less)


@pytest.mark.parametrize("cause", KNOWN_CAUSES)
@pytest.mark.parametrize("exploring", [False, True])
def test_plans_are_bounded_by_the_ladder(cause: Cause, exploring: bool) -> None:
    """A trouble that no remedy helps gets at most one plan per rung, and is then escalated."""
    settings = PlanSettings(exploring=exploring, approval=ApprovalSettings(from_risk="never"))
    context, plans = make_context(make_root_cause(cause), settings=settings), list[Plan]()
    while (decision := choose(replace(context, seed=len(plans)))).plans:
        (plan,) = decision.plans
        plans.append(plan)
        rungs = tuple(
            Rung(rung=p.rung, plan_id=p.plan_id, cause=cause, component=p.component, outcome="no_effect") for p in plans
        )
        incident = Incident(
            incident_id="1234", charter="charter", knob="any", onset=800.0, opened_at=810.0, rungs=rungs
        )
        context = replace(context, guards=context.guards.model_copy(update={"incidents": (incident,)}))
        assert len(plans) <= len(LADDERS[cause])
    assert decision.outcome == "escalated"
    assert len({plan.rung for plan in plans}) == len(plans)
