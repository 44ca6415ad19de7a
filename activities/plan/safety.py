"""The safety direction of an action (safer or riskier) and its knob direction (forth or back).

An action that adds capacity or takes load off is applied immediately. One that takes capacity or protection away waits.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from activities.model.action import Action, ActionType, Route


class SafetyDirection(StrEnum):
    """The effect of an action on safety if the observation it was chosen upon is wrong."""

    SAFER = "safer"
    NEUTRAL = "neutral"
    RISKIER = "riskier"


SAFETY_DIRECTIONS: Mapping[ActionType, SafetyDirection] = MappingProxyType(
    {
        # More capacity, less load, or a policy that an operator named as good: each costs little if it was wrong.
        ActionType.SCALE_UP: SafetyDirection.SAFER,
        ActionType.THROTTLE_REQUESTS: SafetyDirection.SAFER,
        ActionType.REBALANCE_LOAD: SafetyDirection.SAFER,
        ActionType.APPLY_POLICY: SafetyDirection.SAFER,
        # A restart ends and the members return; a configuration can go either way.
        ActionType.RESTART_SERVICE: SafetyDirection.NEUTRAL,
        ActionType.UPDATE_CONFIGURATION: SafetyDirection.NEUTRAL,
        # Less capacity, or Charter's own protection switched off.
        ActionType.SCALE_DOWN: SafetyDirection.RISKIER,
        ActionType.BYPASS_VALIDATION: SafetyDirection.RISKIER,
        ActionType.ACTIVATE_EMERGENCY_OVERRIDE: SafetyDirection.RISKIER,
    }
)
"""Every action type has a row: the direction is a decision, never a default."""


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
    direction = SAFETY_DIRECTIONS[action.type]
    if not action.rollback_of:
        return direction
    # The rollback restores the former protection, or removes what an action had added.
    return SafetyDirection.SAFER if direction is SafetyDirection.RISKIER else SafetyDirection.NEUTRAL


def _action_knob_direction(action: Action) -> int:
    if action.rollback_of or action.type is ActionType.SCALE_DOWN:
        return -1
    return 0 if action.type is ActionType.RESTART_SERVICE else 1
