"""Inputs of the guards: the actions, the remediations and the state that the guards' tests share."""

from dataclasses import replace
from typing import Any

from activities.model.action import Action, ActionType
from activities.model.autonomy import Autonomy, Level
from activities.model.diagnosis import Cause, RootCause
from activities.model.guard_state import GuardState, KnobGuard
from activities.model.history import RemediationRecord
from activities.model.mode import LoopMode, Mode
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.settings import PlanSettings

NOW = 1_000_000.0
SCALE_UP_ACTIONS: Actions = (Action(type=ActionType.SCALE_UP, parameters={"replicas": 6}),)
SCALE_DOWN_ACTIONS: Actions = (Action(type=ActionType.SCALE_DOWN, parameters={"replicas": 4}),)
CONFIGURE_ACTIONS: Actions = (Action(type=ActionType.UPDATE_CONFIGURATION, component="gateway"),)
POLICY_ACTIONS: Actions = (Action(type=ActionType.APPLY_POLICY, policy="admission"),)
REVERT_ACTIONS: Actions = (Action(type=ActionType.UPDATE_CONFIGURATION, component="gateway", rollback_of="policy_1"),)
LATENCY_ROOT = RootCause(cause=Cause.VALIDATION_LATENCY, component="committee", confidence=0.9)
OTHER_ROOT = RootCause(cause=Cause.OVERLOAD, component="gateway", confidence=0.9)


def make_remediation_record(seconds_ago: float, outcome: str = "fixed", **changes: Any) -> RemediationRecord:
    """Return a remediation of the committee that started so many seconds ago and took a minute; "" still runs."""
    defaults = {
        "plan_id": f"p{seconds_ago:.0f}",
        "loop": "charter",
        "knob": "committee",
        "cause": LATENCY_ROOT.cause.value,
        "component": LATENCY_ROOT.component,
        "knob_direction": 1,
        "affected_components": ("committee",),
        "started_at": NOW - seconds_ago,
        "ended_at": NOW - seconds_ago + 60.0 if outcome else None,
        "outcome": outcome,
        "rolled_back": outcome in ("rolled_back", "worse"),
    }
    return RemediationRecord.model_validate(defaults | changes)


def make_guard_input(*remediations: RemediationRecord, knobs: tuple[KnobGuard, ...] = (), **changes: Any) -> GuardInput:
    """Return an input with these recent remediations that no temporary guard refuses without changes."""
    unblocked = GuardInput(
        at=NOW,
        mode=Mode(loop="charter", name=LoopMode.ACT),
        guards=GuardState(recent_remediations=remediations, knobs=knobs),
        settings=PlanSettings(),
        root=LATENCY_ROOT,
        autonomy=Autonomy(start=Level.AUTO),
        loop="charter",
        component_count=8,
    )
    return replace(unblocked, **changes)
