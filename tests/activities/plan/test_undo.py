"""An operator's undo: what is undone, and when it is refused."""

from typing import Any

import pytest

from activities.execute.calls import build_apply_request
from activities.model.action import Action, ActionType
from activities.model.charter import Committee, Policy
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound, Superseded
from activities.model.pattern import PatternBasis, PatternKind
from activities.model.plan import Plan, Risk, compute_plan_hash
from activities.plan.settings import ApprovalSettings
from activities.plan.undo import UndoContext, build_undo_plan
from tests.support.model_builders import make_plan

SCALE_UP_ACTION = Action(type=ActionType.SCALE_UP, parameters={"replicas": 6})
RESTART_ACTION = Action(type=ActionType.RESTART_SERVICE, parameters={"member": "validator-2"})
BYPASS_ACTION = Action(type=ActionType.BYPASS_VALIDATION, component="gateway", parameters={"duration": 300})


def make_undo_context(generation: int, replicas: int = 6, policies: tuple[Policy, ...] = ()) -> UndoContext:
    """Return the present state, with ann as the operator."""
    return UndoContext(
        at=5000.0,
        actor="ann",
        committee=Committee(replicas=replicas, healthy_nodes=replicas, generation=generation),
        policies=policies,
        components=("gateway", "validator-1"),
        approval=ApprovalSettings(),
    )


def make_effect(step: int, generation: int, direction: Direction = Direction.DO, **fields: Any) -> Effect:
    """Return an effect of the plan at a generation."""
    return Effect(plan_id="a" * 12, step=step, direction=direction, at=1000.0, generation=generation, **fields)


def test_a_scale_goes_back_to_the_size_before() -> None:
    """The undo of SCALE_UP is SCALE_DOWN, fenced by the present generation, requested by the operator."""
    done = (make_effect(0, 3, Direction.BEFORE, previous={"replicas": 5}), make_effect(0, 4, previous={"replicas": 5}))
    undo = build_undo_plan(make_plan(actions=(SCALE_UP_ACTION,)), done, make_undo_context(generation=4))
    assert [(a.type, a.parameters) for a in undo.actions] == [(ActionType.SCALE_DOWN, {"replicas": 5})]
    assert (undo.generation, undo.requested_by, undo.knob) == (4, "ann", "committee")
    assert undo.hash == compute_plan_hash(undo.incident_id, undo.rung, undo.generation, undo.actions)
    assert (undo.verification.targets, undo.verification.neighbours) == ((), ("gateway", "validator-1"))


def test_a_policy_is_rolled_back_by_its_id_without_approval() -> None:
    """A rollback switches no protection off, so even the undo of a bypass needs no approval."""
    policy = Policy(id="policy_7", name=BYPASS_ACTION.knob, generation=1)
    undo = build_undo_plan(
        make_plan(knob=BYPASS_ACTION.knob, actions=(BYPASS_ACTION,)),
        (make_effect(0, 1, policy_id="policy_7"),),
        make_undo_context(9, policies=(policy,)),
    )
    call = build_apply_request(undo, 0, undo.generation, 30.0)
    assert (call.path, call.body, call.generation) == ("policies/policy_7/rollback", None, 1)
    assert (undo.risk, undo.needs_approval) == (Risk.LOW, False)


def test_an_undo_has_no_evidence_patterns() -> None:
    """Its outcome says nothing about the patterns or the confidence of the plan that it undoes."""
    original = make_plan(
        actions=(SCALE_UP_ACTION,),
        low_confidence=True,
        evidence_patterns=(PatternBasis(kind=PatternKind.TEMPORAL, strength=0.0),),
    )
    undo = build_undo_plan(original, (make_effect(0, 4, previous={"replicas": 5}),), make_undo_context(generation=4))
    assert (undo.evidence_patterns, undo.low_confidence) == ((), False)


def test_a_step_without_inverse_is_left_out() -> None:
    """A restart has no inverse; the step before it in the plan is undone all the same."""
    done = (make_effect(0, 4, previous={"replicas": 5}), make_effect(1, 5))
    undo = build_undo_plan(make_plan(actions=(SCALE_UP_ACTION, RESTART_ACTION)), done, make_undo_context(generation=5))
    assert [a.type for a in undo.actions] == [ActionType.SCALE_DOWN]


@pytest.mark.parametrize(
    ("original", "done", "generation", "error"),
    [
        (make_plan(actions=(SCALE_UP_ACTION,)), (make_effect(0, 4, previous={"replicas": 5}),), 5, Superseded),
        (make_plan(actions=(RESTART_ACTION,)), (make_effect(0, 4),), 4, NotFound),
        (make_plan(actions=(SCALE_UP_ACTION,)), (), 4, NotFound),
        (make_plan(actions=(SCALE_UP_ACTION,)), (make_effect(0, 4), make_effect(0, 5, Direction.UNDO)), 5, NotFound),
        (make_plan(actions=(SCALE_UP_ACTION,)), (make_effect(0, 4),), 4, NotFound),
    ],
    ids=["moved since", "no inverse", "never applied", "undone before", "size before unknown"],
)
def test_an_undo_is_refused(original: Plan, done: tuple[Effect, ...], generation: int, error: type[Exception]) -> None:
    """A knob that moved since, a plan without effect and an unknown previous state are not undone."""
    with pytest.raises(error):
        build_undo_plan(original, done, make_undo_context(generation))
