"""The safety direction of an action (safer or riskier) and its knob direction (forth or back).

An action that adds capacity or takes load off is applied immediately. One that takes capacity or protection away waits.
"""

from enum import StrEnum

from activities.model.action import Action, ActionType, Route


class SafetyDirection(StrEnum):
    """The effect of an action on safety if the observation it was chosen upon is wrong."""

    SAFER = "safer"
    NEUTRAL = "neutral"
    RISKIER = "riskier"


SAFER_ACTIONS = frozenset(
    {
        ActionType.SCALE_UP,
        ActionType.THROTTLE_REQUESTS,
        ActionType.REBALANCE_LOAD,
        ActionType.APPLY_POLICY,
    }
)
"""More capacity, less load, or a policy that an operator named as good: each costs little if it was wrong."""

RISKIER_ACTIONS = frozenset(
    {ActionType.SCALE_DOWN, ActionType.BYPASS_VALIDATION, ActionType.ACTIVATE_EMERGENCY_OVERRIDE}
)
"""Less capacity, or Charter's own protection switched off."""


def safety_direction(actions: tuple[Action, ...]) -> SafetyDirection:
    """Return the direction of the actions together: riskier if any is, safer only if all are."""
    directions = {_action_safety_direction(action) for action in actions}
    if SafetyDirection.RISKIER in directions:
        return SafetyDirection.RISKIER
    return SafetyDirection.SAFER if directions == {SafetyDirection.SAFER} else SafetyDirection.NEUTRAL


def knob_direction(actions: tuple[Action, ...]) -> int:
    """Return which way the actions move their knob: 1 forth, −1 back, 0 neither; the first that moves it decides."""
    return next((direction for action in actions if (direction := _action_knob_direction(action))), 0)


def affected_components(actions: tuple[Action, ...]) -> tuple[str, ...]:
    """Return the components that the actions act upon, sorted; "*" for all of them.

    A change of the committee's size is one component, named by its knob.
    """
    return tuple(sorted({a.component or (a.knob if a.route is Route.SCALE else "*") for a in actions}))


def _action_safety_direction(action: Action) -> SafetyDirection:
    if action.type in RISKIER_ACTIONS:
        return SafetyDirection.SAFER if action.rollback_of else SafetyDirection.RISKIER
    if action.type in SAFER_ACTIONS and not action.rollback_of:
        return SafetyDirection.SAFER
    return SafetyDirection.NEUTRAL


def _action_knob_direction(action: Action) -> int:
    if action.rollback_of or action.type is ActionType.SCALE_DOWN:
        return -1
    return 0 if action.type is ActionType.RESTART_SERVICE else 1
