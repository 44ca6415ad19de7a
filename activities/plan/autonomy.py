"""What the earned autonomy permits: a plan is only recorded (shadow), suggested to an operator, or applied."""

from collections.abc import Mapping
from types import MappingProxyType

from activities.model.action import Action, ActionType
from activities.model.autonomy import Autonomy, Level, ShadowDecision
from activities.model.diagnosis import Cause
from activities.model.plan import Plan
from activities.plan.guards.base import Actions, GuardInput

AUTONOMY_PAIRS: Mapping[Cause, tuple[ActionType, ...]] = MappingProxyType(
    {
        Cause.VALIDATION_LATENCY: (
            ActionType.SCALE_UP,
            ActionType.RESTART_SERVICE,
            ActionType.UPDATE_CONFIGURATION,
            ActionType.THROTTLE_REQUESTS,
        ),
        Cause.POLICY_MISCONFIGURATION: (ActionType.APPLY_POLICY, ActionType.BYPASS_VALIDATION),
        Cause.CASCADE: (ActionType.THROTTLE_REQUESTS, ActionType.ACTIVATE_EMERGENCY_OVERRIDE),
        Cause.OVERLOAD: (ActionType.REBALANCE_LOAD, ActionType.RESTART_SERVICE),
        Cause.UNHEALTHY_MEMBER: (ActionType.RESTART_SERVICE, ActionType.REBALANCE_LOAD),
        Cause.DEVIATION: (ActionType.REBALANCE_LOAD, ActionType.RESTART_SERVICE),
    }
)
"""For each cause, the action types on its ladder. Each pair of a cause and an action type has its own level."""


def lowest_level(cause: Cause, actions: tuple[Action, ...], autonomy: Autonomy) -> Level:
    """Return the level of a plan: the lowest level of its actions against this cause."""
    return min((autonomy.level(cause, action.type) for action in actions), key=lambda level: level.rank)


def autonomy_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse an action at level shadow, with the evidence that it still needs."""
    autonomy, cause = guard_input.autonomy, guard_input.root.cause
    for action in actions:
        if autonomy.level(cause, action.type) is not Level.SHADOW:
            continue
        record, override = autonomy.find_record(cause, action.type), autonomy.find_override(cause, action.type)
        reason = "fixed by an override" if override else record.promotion_blocker if record else "no evidence yet"
        return f"{action.type} against {cause} is at shadow: {reason}"
    return ""


def build_shadow_decision(plan: Plan, at: float) -> ShadowDecision:
    """Return the record of a plan that was not applied because of its level. `at` is unix seconds.

    Upkeep scores it at `due_at`, when the verification of the plan would have ended: did the problem end without it?
    """
    verify = plan.verification
    return ShadowDecision(
        plan_id=plan.plan_id,
        loop=plan.loop,
        cause=plan.cause,
        component=plan.component,
        knob=plan.knob,
        actions=tuple(sorted({action.type for action in plan.actions})),
        generation=plan.generation,
        targets=verify.targets,
        at=at,
        last_seen_at=at,
        due_at=at + plan.settle + verify.delay + verify.interval * verify.samples,
    )
