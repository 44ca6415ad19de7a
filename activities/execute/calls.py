"""The calls of a plan, as Charter gets them: equal plans make equal bytes."""

from datetime import UTC, datetime
from typing import Any

from activities.model.action import Action, Inverse, Route
from activities.model.charter import ChangeRequest
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound
from activities.model.plan import Plan

CHANGE_SOURCE = "mape_k_executor"


def idempotency_key(plan: Plan, step: int, direction: Direction) -> str:
    """Return the idempotency key of a step (from 0): it never names a run or an attempt."""
    return f"{plan.plan_id}-{step}-{direction}"


def build_policy_body(action: Action) -> dict[str, Any]:
    """Return the policy that carries the action: what is validated, and what an apply puts into its envelope."""
    return {
        "name": action.knob,
        "kind": action.type.value,
        "component": action.component,
        "parameters": dict(action.parameters),
    }


def build_apply_request(plan: Plan, step: int, generation: int, timeout: float) -> ChangeRequest:
    """Return the call that does step `step` (from 0), fenced by `generation`; `timeout` in seconds.

    The apply's timestamp is the plan's own, so that a retry is byte-identical.
    """
    action = plan.actions[step]
    path = action.route.value
    body: dict[str, Any] | None = dict(action.parameters)
    if action.rollback_of:
        path, body = f"policies/{action.rollback_of}/rollback", None
    elif action.route is Route.APPLY:
        stamp = datetime.fromtimestamp(plan.created_at, UTC).isoformat()
        body = {"policy": build_policy_body(action), "timestamp": stamp, "source": CHANGE_SOURCE}
    return ChangeRequest(
        path=path,
        body=body,
        key=idempotency_key(plan, step, Direction.DO),
        plan_hash=plan.hash,
        generation=generation,
        timeout=timeout,
    )


def build_undo_request(plan: Plan, effect: Effect, generation: int, timeout: float) -> ChangeRequest | None:
    """Return the call that undoes the step which had this effect; None if its action has no inverse.

    A policy is rolled back by its id; the committee is scaled back to `effect.previous["replicas"]`. The undo is
    fenced by `generation`, the knob's after whatever was done or undone last.

    Raises:
        NotFound: The effect does not say what to go back to.
    """
    inverse = plan.actions[effect.step].inverse
    if inverse is Inverse.NONE:
        return None
    path, body = _undo_path_and_body(inverse, effect)
    return ChangeRequest(
        path=path,
        body=body,
        key=idempotency_key(plan, effect.step, Direction.UNDO),
        plan_hash=plan.hash,
        generation=generation,
        timeout=timeout,
    )


def _undo_path_and_body(inverse: Inverse, effect: Effect) -> tuple[str, dict[str, Any] | None]:
    if inverse is Inverse.ROLLBACK:
        if not effect.policy_id:
            raise NotFound(f"no policy id is known of step {effect.step}: it cannot be rolled back")
        return f"policies/{effect.policy_id}/rollback", None
    return Route.SCALE.value, {"replicas": effect.previous_replicas()}
