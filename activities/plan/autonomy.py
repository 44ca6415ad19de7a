"""The consequences of earned autonomy: a plan is only a shadow, is suggested to an operator, or is applied."""

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
"""Every pair with a level: the action types on the ladder of each cause."""


def lowest_level(cause: Cause, actions: tuple[Action, ...], autonomy: Autonomy) -> Level:
    """Return the level of a plan: that of its least trusted action."""
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
    """Return the shadow decision to be scored later, for a plan that was held back at `at` (unix seconds).

    It is due when a remediation that started now would be verified.
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
