"""What holds of every choice by score, whatever the figures."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.incident import Incident, Rung
from activities.plan.choose import choose
from activities.plan.settings import ApprovalSettings, PlanSettings
from activities.plan.strategies import LADDERS

KNOWN_CAUSES = [cause for cause in Cause if cause is not Cause.UNKNOWN]
ACTION_COSTS = st.dictionaries(st.sampled_from(ActionType), st.floats(0.0, 1.0))


@given(
    cause=st.sampled_from(KNOWN_CAUSES), costs=ACTION_COSTS, confidence=st.floats(0.0, 1.0), target=st.floats(0.0, 1.0)
)
def test_zero_gain_is_never_chosen(make_root_cause, make_context, cause, costs, confidence, target):
    """Whatever is planned promises more than it costs."""
    settings = PlanSettings(cost_model=costs, benefit_target=target, min_confidence=0.0)
    decision = choose(make_context(make_root_cause(cause, confidence=confidence), settings=settings))
    assert all(plan.score > 0.0 and plan.benefit > plan.cost for plan in decision.plans)
    assert all(c.rejected_by for c in decision.candidates if c.score <= 0.0)


@given(cause=st.sampled_from(KNOWN_CAUSES), factor=st.floats(1e-3, 1e3))
def test_the_size_of_the_load_changes_no_score(make_root_cause, make_context, cause, factor):
    """Values and limits in other units, or under more load, leave every score and choice as it is."""
    plain = make_context(make_root_cause(cause))
    scaled = tuple(
        v.model_copy(update={"value": v.value * factor, "limit": v.limit * factor}) for v in plain.diagnosis.violations
    )
    loaded = replace(plain, diagnosis=plain.diagnosis.model_copy(update={"violations": scaled}))
    assert choose(loaded).candidates == choose(plain).candidates


@given(cause=st.sampled_from(KNOWN_CAUSES), low=st.floats(0.0, 1.0), high=st.floats(0.0, 1.0))
def test_more_confidence_never_lowers_a_score(make_root_cause, make_context, cause, low, high):
    """Score is monotone in benefit: the same remedies under a cause that is believed more are worth no less."""
    low, high = sorted((low, high))
    less, more = (
        {(c.knob, c.rung): c.score for c in choose(make_context(make_root_cause(cause, confidence=one))).candidates}
        for one in (low, high)
    )
    assert less.keys() == more.keys()
    assert all(more[key] >= less[key] for key in less)


@pytest.mark.parametrize("cause", KNOWN_CAUSES)
@pytest.mark.parametrize("exploring", [False, True])
def test_churn_is_bounded_by_the_ladder(make_root_cause, make_context, cause, exploring):
    """A trouble that nothing helps is answered at most once for each rung, and then by a person."""
    settings = PlanSettings(exploring=exploring, approval=ApprovalSettings(from_risk="never"))
    present, plans = make_context(make_root_cause(cause), settings=settings), []
    while (decision := choose(replace(present, seed=len(plans)))).plans:
        (plan,) = decision.plans
        plans.append(plan)
        rungs = tuple(
            Rung(rung=p.rung, plan_id=p.plan_id, cause=cause, component=p.component, outcome="no_effect") for p in plans
        )
        incident = Incident(
            incident_id="1234", charter="charter", knob="any", onset=800.0, opened_at=810.0, rungs=rungs
        )
        present = replace(present, guards=present.guards.model_copy(update={"incidents": (incident,)}))
        assert len(plans) <= len(LADDERS[cause])
    assert decision.outcome == "escalated"
    assert len({plan.rung for plan in plans}) == len(plans)
