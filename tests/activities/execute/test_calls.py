"""The calls of a plan."""

import pytest

from activities.execute.calls import build_apply_request, build_policy_body, build_undo_request, idempotency_key
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound


def make_effect(step=0, **fields):
    """Return what a step did."""
    return Effect(plan_id="p", step=step, direction=Direction.DO, at=1.0, generation=8, **fields)


def test_scale_and_restart_use_their_routes(make_plan, actions):
    """Committee actions go to the committee with their parameters, each under its own key and fence."""
    both = make_plan(actions["scale"], actions["restart"])
    first, second = build_apply_request(both, 0, 7, 30.0), build_apply_request(both, 1, 8, 10.0)
    assert (first.path, first.body) == ("committee/scale", {"replicas": 6})
    assert second.path == "committee/restart"
    assert second.body == {"member": "validator-2", "graceful": True, "timeout": 30}
    assert (first.key, second.key) == (f"{both.plan_id}-0-do", f"{both.plan_id}-1-do")
    assert (first.generation, second.generation, second.timeout) == (7, 8, 10.0)
    assert first.plan_hash == both.hash


def test_other_actions_travel_as_a_policy(make_plan, actions):
    """The envelope holds the policy under its knob, the plan's own time in UTC and the source."""
    call = build_apply_request(make_plan(actions["throttle"]), 0, 7, 30.0)
    assert call.path == "policies/apply"
    assert call.body == {
        "policy": {
            "name": "throttle-requests.gateway",
            "kind": "THROTTLE_REQUESTS",
            "component": "gateway",
            "parameters": {"rate_limit": 300.0},
        },
        "timestamp": "2026-01-01T00:00:00.250000+00:00",
        "source": "mape_k_executor",
    }


def test_a_retry_is_the_same_call(make_plan, actions):
    """The same step is the same bytes, whenever and by whomever it is sent."""
    stored = type(make_plan()).model_validate_json(make_plan(actions["throttle"]).model_dump_json())
    assert (
        build_apply_request(stored, 0, 7, 30.0).model_dump_json()
        == build_apply_request(make_plan(actions["throttle"]), 0, 7, 30.0).model_dump_json()
    )


def test_a_policy_is_rolled_back_by_its_id(make_plan, actions):
    """The undo names the policy that the apply returned, without a body, under its own key."""
    found = make_plan(actions["throttle"])
    call = build_undo_request(found, make_effect(policy_id="policy_9"), 8, 30.0)
    assert (call.path, call.body, call.generation) == ("policies/policy_9/rollback", None, 8)
    assert call.key == idempotency_key(found, 0, Direction.UNDO) == f"{found.plan_id}-0-undo"


def test_a_committee_is_scaled_back(make_plan):
    """The undo of a scaling is the number of replicas there was before."""
    call = build_undo_request(make_plan(), make_effect(previous={"replicas": 5}), 8, 30.0)
    assert (call.path, call.body) == ("committee/scale", {"replicas": 5})


def test_a_restart_has_no_way_back(make_plan, actions):
    """Nothing undoes a restart."""
    assert build_undo_request(make_plan(actions["scale"], actions["restart"]), make_effect(step=1), 9, 30.0) is None


@pytest.mark.parametrize(
    ("name", "known"),
    [("throttle", {}), ("scale", {}), ("scale", {"previous": {}}), ("scale", {"previous": {"replicas": None}})],
)
def test_a_way_back_that_is_not_known_is_an_error(name, known, make_plan, actions):
    """Not knowing what to go back to is never taken for nothing to undo."""
    with pytest.raises(NotFound, match="step 0"):
        build_undo_request(make_plan(actions[name]), make_effect(**known), 8, 30.0)


def test_a_policy_is_validated_as_it_is_applied(make_plan, actions):
    """What is validated is exactly what the apply's envelope holds."""
    call = build_apply_request(make_plan(actions["override"]), 0, 0, 30.0)
    assert build_policy_body(actions["override"]) == call.body["policy"]
