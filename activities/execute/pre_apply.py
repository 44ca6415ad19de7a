"""The guards' last check before a step is sent, and the record of the remediation they keep."""

from collections.abc import Callable

from activities.model.decision import Block
from activities.model.guard_state import GuardState
from activities.model.history import RemediationRecord
from activities.model.mode import LoopMode, Mode
from activities.model.plan import Plan
from activities.plan.guards.base import GuardInput
from activities.plan.guards.table import Stage, find_block
from activities.plan.safety import affected_components, knob_direction
from activities.plan.settings import PlanSettings


def build_remediation_record(plan: Plan, at: float) -> RemediationRecord:
    """Return the guards' record of a plan's remediation, started at `at` (unix seconds)."""
    return RemediationRecord(
        plan_id=plan.plan_id,
        loop=plan.loop,
        knob=plan.knob,
        cause=plan.cause.value,
        component=plan.component,
        actions=tuple(action.type for action in plan.actions),
        knob_direction=knob_direction(plan.actions),
        affected_components=affected_components(plan.actions),
        started_at=at,
    )


def build_pre_apply_check(
    plan: Plan, mode: Mode, settings: PlanSettings, at: float
) -> Callable[[GuardState], Block | None]:
    """Return a check of the guards' state at `at` (unix seconds): the first block of the next step, or None.

    The check does not read Charter: the generation is the fence, and `recheck_quorum` reads the committee.
    The mode does not block a plan that has started:
    running remediations finish while the loop is paused.
    """

    def check(guards: GuardState) -> Block | None:
        has_started = any(record.plan_id == plan.plan_id for record in guards.recent_remediations)
        present_mode = Mode(loop=plan.loop, name=LoopMode.ACT) if has_started else mode
        return find_block(Stage.SEND, plan.actions, GuardInput.of_plan(plan, present_mode, guards, settings, at))

    return check
