"""The requests of a plan to Charter."""

from typing import Any

import pytest

from activities.execute.calls import build_apply_request, build_policy_body, build_undo_request, idempotency_key
from activities.model.action import Action
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound
from tests.activities.execute.conftest import PlanFactory


def make_effect(step: int = 0, **fields: Any) -> Effect:
    """Return the effect of a step."""
    return Effect(plan_id="p", step=step, direction=Direction.DO, at=1.0, generation=8, **fields)


def test_scale_and_restart_use_their_routes(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """Committee actions are sent to the committee's routes, each with its parameters, key and fence."""
    plan = make_plan(actions["scale"], actions["restart"])
    first, second = build_apply_request(plan, 0, 7, 30.0), build_apply_request(plan, 1, 8, 10.0)
    assert (first.path, first.body) == ("committee/scale", {"replicas": 6})
    assert second.path == "committee/restart"
    assert second.body == {"member": "validator-2", "graceful": True, "timeout": 30}
    assert (first.key, second.key) == (f"{plan.plan_id}-0-do", f"{plan.plan_id}-1-do")
    assert (first.generation, second.generation, second.timeout) == (7, 8, 10.0)
    assert first.plan_hash == plan.hash


def test_other_actions_are_sent_as_a_policy(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """The envelope has the policy under its knob, the plan's time in UTC and the source."""
    request = build_apply_request(make_plan(actions["throttle"]), 0, 7, 30.0)
    assert request.path == "policies/apply"
    assert request.body == {
        "policy": {
            "name": "throttle-requests.gateway",
            "kind": "THROTTLE_REQUESTS",
            "component": "gateway",
            "parameters": {"rate_limit": 300.0},
        },
        "timestamp": "2026-01-01T00:00:00.250000+00:00",
        "source": "mape_k_executor",
    }


def test_a_retry_is_the_same_request(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """The same step gives the same bytes at any time and on any worker."""
    stored = type(make_plan()).model_validate_json(make_plan(actions["throttle"]).model_dump_json())
    assert (
        build_apply_request(stored, 0, 7, 30.0).model_dump_json()
        == build_apply_request(make_plan(actions["throttle"]), 0, 7, 30.0).model_dump_json()
    )


def test_a_policy_is_rolled_back_by_its_id(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """The undo names the policy that the apply returned, without a body, under its own key."""
    plan = make_plan(actions["throttle"])
    request = build_undo_request(plan, make_effect(policy_id="policy_9"), 8, 30.0)
    assert request is not None
    assert (request.path, request.body, request.generation) == ("policies/policy_9/rollback", None, 8)
    assert request.key == idempotency_key(plan, 0, Direction.UNDO) == f"{plan.plan_id}-0-undo"


def test_a_committee_is_scaled_back(make_plan: PlanFactory) -> None:
    """The undo of a scaling sets the previous number of replicas."""
    request = build_undo_request(make_plan(), make_effect(previous={"replicas": 5}), 8, 30.0)
    assert request is not None
    assert (request.path, request.body) == ("committee/scale", {"replicas": 5})


def test_a_restart_has_no_undo(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """A restart has no inverse."""
    assert build_undo_request(make_plan(actions["scale"], actions["restart"]), make_effect(step=1), 9, 30.0) is None


@pytest.mark.parametrize(
    ("name", "recorded"),
    [("throttle", {}), ("scale", {}), ("scale", {"previous": {}}), ("scale", {"previous": {"replicas": None}})],
)
def test_an_unknown_previous_state_is_an_error(
    name: str, recorded: dict[str, Any], make_plan: PlanFactory, actions: dict[str, Action]
) -> None:
    """An unknown previous state does not mean that there is nothing to undo."""
    with pytest.raises(NotFound, match="step 0"):
        build_undo_request(make_plan(actions[name]), make_effect(**recorded), 8, 30.0)


def test_a_policy_is_validated_as_it_is_applied(make_plan: PlanFactory, actions: dict[str, Action]) -> None:
    """The validated policy equals the one in the apply's envelope."""
    request = build_apply_request(make_plan(actions["override"]), 0, 0, 30.0)
    assert request.body is not None
    assert build_policy_body(actions["override"]) == request.body["policy"]
