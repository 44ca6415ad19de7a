"""A person's undo: what is undone, and when it is refused."""

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


def make_current_state(generation: int, replicas: int = 6, policies: tuple[Policy, ...] = ()) -> UndoContext:
    return UndoContext(
        at=5000.0,
        actor="ann",
        committee=Committee(replicas=replicas, healthy_nodes=replicas, generation=generation),
        policies=policies,
        components=("gateway", "validator-1"),
        approval=ApprovalSettings(),
    )


def make_effect(step: int, generation: int, direction: Direction = Direction.DO, **fields: Any) -> Effect:
    return Effect(plan_id="a" * 12, step=step, direction=direction, at=1000.0, generation=generation, **fields)


def test_a_scale_goes_back_to_the_size_before():
    """The undo of a growth shrinks the committee, fenced by what stands now, in the name of who asked."""
    done = (make_effect(0, 3, Direction.BEFORE, previous={"replicas": 5}), make_effect(0, 4, previous={"replicas": 5}))
    made = build_undo_plan(make_plan(actions=(SCALE_UP_ACTION,)), done, make_current_state(generation=4))
    assert [(a.type, a.parameters) for a in made.actions] == [(ActionType.SCALE_DOWN, {"replicas": 5})]
    assert (made.generation, made.requested_by, made.knob) == (4, "ann", "committee")
    assert made.hash == compute_plan_hash(made.incident_id, made.rung, made.generation, made.actions)
    assert (made.verification.targets, made.verification.neighbours) == ((), ("gateway", "validator-1"))


def test_a_policy_is_rolled_back_by_its_id_without_another_approval():
    """Going back switches no protection off, so even a bypass is undone without asking a second person."""
    stands = Policy(id="policy_7", name=BYPASS_ACTION.knob, generation=1)
    made = build_undo_plan(
        make_plan(knob=BYPASS_ACTION.knob, actions=(BYPASS_ACTION,)),
        (make_effect(0, 1, policy_id="policy_7"),),
        make_current_state(9, policies=(stands,)),
    )
    call = build_apply_request(made, 0, made.generation, 30.0)
    assert (call.path, call.body, call.generation) == ("policies/policy_7/rollback", None, 1)
    assert (made.risk, made.needs_approval) == (Risk.LOW, False)


def test_a_persons_undo_rests_on_no_pattern():
    """What becomes of it teaches nothing of the patterns, nor inherits the doubts, of the plan it undoes."""
    original = make_plan(
        actions=(SCALE_UP_ACTION,), low_confidence=True, evidence_patterns=(PatternBasis(kind=PatternKind.TEMPORAL, strength=0.0),)
    )
    made = build_undo_plan(original, (make_effect(0, 4, previous={"replicas": 5}),), make_current_state(generation=4))
    assert (made.evidence_patterns, made.low_confidence) == ((), False)


def test_what_cannot_be_undone_is_left_out():
    """A restart has no inverse; what came before it in the plan is undone all the same."""
    done = (make_effect(0, 4, previous={"replicas": 5}), make_effect(1, 5))
    made = build_undo_plan(make_plan(actions=(SCALE_UP_ACTION, RESTART_ACTION)), done, make_current_state(generation=5))
    assert [a.type for a in made.actions] == [ActionType.SCALE_DOWN]


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
def test_an_undo_is_refused(original: Plan, done: tuple[Effect, ...], generation: int, error: type[Exception]):
    """Nothing is undone that somebody changed since, that is not there, or whose way back is not known."""
    with pytest.raises(error):
        build_undo_plan(original, done, make_current_state(generation))
