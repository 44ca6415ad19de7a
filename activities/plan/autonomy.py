"""What earned autonomy lets a plan do: held back as a shadow, suggested to a person, or carried out."""

from collections.abc import Mapping
from types import MappingProxyType

from activities.model.action import Action, ActionType
from activities.model.autonomy import Autonomy, Level, ShadowDecision
from activities.model.decision import Block
from activities.model.diagnosis import Cause
from activities.model.plan import Plan

AUTONOMY_RULE = "autonomy"

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
"""Every pair that has a level: the action types on the ladder of each cause."""


def lowest_level(cause: Cause, actions: tuple[Action, ...], autonomy: Autonomy) -> Level:
    """Return the level of a plan: that of its least trusted action."""
    return min((autonomy.level(cause, action.type) for action in actions), key=lambda level: level.rank)


def autonomy_guard(cause: Cause, actions: tuple[Action, ...], autonomy: Autonomy) -> Block | None:
    """Refuse what may only be decided in the shadow, with what it still has to earn."""
    for action in actions:
        if autonomy.level(cause, action.type) is not Level.SHADOW:
            continue
        standing, pin = autonomy.find_record(cause, action.type), autonomy.find_override(cause, action.type)
        why = "pinned" if pin else standing.promotion_blocker if standing else "nothing earned yet"
        return Block(rule=AUTONOMY_RULE, knob=action.knob, reason=f"{action.type} against {cause} is at shadow: {why}")
    return None


def build_shadow_decision(plan: Plan, at: float) -> ShadowDecision:
    """Return what of a plan that was held back at `at` (unix seconds) is kept to be scored.

    It is due when a remediation that had started now would have been verified.
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
