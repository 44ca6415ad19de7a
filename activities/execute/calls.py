"""The requests of a plan to Charter: equal plans make equal bytes."""

from datetime import UTC, datetime
from typing import Any

from activities.model.action import Action, Inverse, Route
from activities.model.charter import ChangeRequest
from activities.model.effect import Direction, Effect
from activities.model.errors import NotFound
from activities.model.plan import Plan

CHANGE_SOURCE = "mape_k_executor"


def idempotency_key(plan: Plan, step: int, direction: Direction) -> str:
    """Return the idempotency key of a step (from 0): it is the same for every run and attempt."""
    return f"{plan.plan_id}-{step}-{direction}"


def build_policy_body(action: Action) -> dict[str, Any]:
    """Return the policy of the action, as validated at Charter and as sent within an apply."""
    return {
        "name": action.knob,
        "kind": action.type.value,
        "component": action.component,
        "parameters": dict(action.parameters),
    }


def build_apply_request(plan: Plan, step: int, generation: int, timeout: float) -> ChangeRequest:
    """Return the request that applies a step (from 0), fenced by `generation`; `timeout` in seconds.

    Its timestamp is the plan's, so that a retry is byte-identical.
    """
    action = plan.actions[step]
    path = action.route.value
    body: dict[str, Any] | None = dict(action.parameters)
    if action.rollback_of:
        path, body = f"policies/{action.rollback_of}/rollback", None
    elif action.route is Route.APPLY:
        timestamp = datetime.fromtimestamp(plan.created_at, UTC).isoformat()
        body = {"policy": build_policy_body(action), "timestamp": timestamp, "source": CHANGE_SOURCE}
    return ChangeRequest(
        path=path,
        body=body,
        key=idempotency_key(plan, step, Direction.DO),
        plan_hash=plan.hash,
        generation=generation,
        timeout=timeout,
    )


def build_undo_request(plan: Plan, effect: Effect, generation: int, timeout: float) -> ChangeRequest | None:
    """Return the request that undoes the effect of a step; None if the action has no inverse.

    A policy is rolled back by its id; the committee is scaled back to `effect.previous["replicas"]`. `generation` is
    the knob's after the plan's last change; it fences the undo.

    Raises:
        NotFound: The effect does not record the policy id or the previous replicas.
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
            raise NotFound(f"step {effect.step} cannot be rolled back: its policy id is unknown")
        return f"policies/{effect.policy_id}/rollback", None
    return Route.SCALE.value, {"replicas": effect.previous_replicas()}
