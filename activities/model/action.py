"""The action types, the knobs they change, what they do to members, and how they are undone."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from activities.model.types import FrozenModel

COMMITTEE = "committee"
"""The knob of scale and restart."""


class ActionType(StrEnum):
    """The changes a loop can make."""

    SCALE_UP = "SCALE_UP"
    SCALE_DOWN = "SCALE_DOWN"
    RESTART_SERVICE = "RESTART_SERVICE"
    APPLY_POLICY = "APPLY_POLICY"
    BYPASS_VALIDATION = "BYPASS_VALIDATION"
    THROTTLE_REQUESTS = "THROTTLE_REQUESTS"
    ACTIVATE_EMERGENCY_OVERRIDE = "ACTIVATE_EMERGENCY_OVERRIDE"
    REBALANCE_LOAD = "REBALANCE_LOAD"
    UPDATE_CONFIGURATION = "UPDATE_CONFIGURATION"


class Route(StrEnum):
    """The Charter route of an action."""

    SCALE = "committee/scale"
    RESTART = "committee/restart"
    APPLY = "policies/apply"


class Inverse(StrEnum):
    """How an action is undone."""

    SCALE_BACK = "scale_back"
    ROLLBACK = "rollback"
    NONE = "none"


ROUTES: dict[ActionType, Route] = {
    ActionType.SCALE_UP: Route.SCALE,
    ActionType.SCALE_DOWN: Route.SCALE,
    ActionType.RESTART_SERVICE: Route.RESTART,
    **{
        kind: Route.APPLY
        for kind in ActionType
        if kind not in (ActionType.SCALE_UP, ActionType.SCALE_DOWN, ActionType.RESTART_SERVICE)
    },
}

INVERSES: dict[Route, Inverse] = {
    Route.SCALE: Inverse.SCALE_BACK,
    Route.RESTART: Inverse.NONE,
    Route.APPLY: Inverse.ROLLBACK,
}


class MemberEffect(StrEnum):
    """The effect of an action on the members of the committee, which the quorum guard counts."""

    NONE = "no member leaves"
    RESIZES = "the parameter replicas is the new number of members"
    INTERRUPTS = "a member does not vote for some time"


MEMBER_EFFECTS: dict[ActionType, MemberEffect] = {
    ActionType.SCALE_UP: MemberEffect.RESIZES,
    ActionType.SCALE_DOWN: MemberEffect.RESIZES,
    ActionType.RESTART_SERVICE: MemberEffect.INTERRUPTS,
    ActionType.APPLY_POLICY: MemberEffect.NONE,
    ActionType.BYPASS_VALIDATION: MemberEffect.NONE,
    ActionType.THROTTLE_REQUESTS: MemberEffect.NONE,
    ActionType.ACTIVATE_EMERGENCY_OVERRIDE: MemberEffect.NONE,
    ActionType.REBALANCE_LOAD: MemberEffect.NONE,
    ActionType.UPDATE_CONFIGURATION: MemberEffect.NONE,
}
"""The quorum guard and the last check before a step is sent both read this table. Every action type has a row."""


class Action(FrozenModel):
    """One change at Charter.

    `component` is the target, None for an action on the whole of Charter. `parameters` belong to the route:
    `{"replicas": n}`, `{"member": name, "graceful": true, "timeout": 30}`, or the parameters of the policy. `policy` is
    the policy name of an APPLY_POLICY. `rollback_of` is set only in an operator's undo: the id of the policy to roll
    back. `cost` is 0 to 1.
    """

    type: ActionType
    component: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    policy: str | None = None
    rollback_of: str | None = None
    cost: float = 0.0

    @property
    def route(self) -> Route:
        """The Charter route of the action."""
        return ROUTES[self.type]

    @property
    def inverse(self) -> Inverse:
        """How the action is undone."""
        return Inverse.NONE if self.rollback_of else INVERSES[self.route]

    @property
    def member_effect(self) -> MemberEffect:
        """The effect on the members. The rollback of a policy takes none out of service."""
        return MemberEffect.NONE if self.rollback_of else MEMBER_EFFECTS[self.type]

    @property
    def interrupted_member(self) -> str | None:
        """The member that the action interrupts; None for all of them, one by one."""
        return self.component if self.route is Route.APPLY else self.parameters.get("member")

    @property
    def knob(self) -> str:
        """The knob of the action: "committee", the policy name, or `<type>[.<component>]` in lower case."""
        if self.route is not Route.APPLY:
            return COMMITTEE
        if self.type is ActionType.APPLY_POLICY and self.policy:
            return self.policy
        name = self.type.value.lower().replace("_", "-")
        return f"{name}.{self.component}" if self.component else name

    @property
    def summary(self) -> str:
        """One line for operators: `SCALE_UP committee (replicas 6)`."""
        if self.rollback_of:
            return f"roll back {self.rollback_of} ({self.knob})"
        values = ", ".join(f"{k} {v}" for k, v in sorted(self.parameters.items()))
        return f"{self.type} {self.knob}" + (f" ({values})" if values else "")
