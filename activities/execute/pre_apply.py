"""The moment before a step is sent: what the guards are told, and asked once more."""

from collections.abc import Callable

from activities.model.decision import Block
from activities.model.guards import GuardState
from activities.model.history import PastRemediation
from activities.model.mode import Mode, ModeName
from activities.model.plan import Plan
from activities.plan.guards.base import Conditions
from activities.plan.guards.core import REQUESTED, UNDER_WAY, first_block
from activities.plan.safety import sense, touched
from activities.plan.settings import PlanSettings


def begun(plan: Plan, at: float) -> PastRemediation:
    """Return the remediation of a plan as the guards remember it, begun at `at` (unix seconds)."""
    return PastRemediation(
        plan_id=plan.plan_id,
        loop=plan.loop,
        knob=plan.knob,
        cause=plan.cause.value,
        component=plan.component,
        actions=tuple(action.type for action in plan.actions),
        sense=sense(plan.actions),
        touched=touched(plan.actions),
        began=at,
    )


def asking(plan: Plan, mode: Mode, settings: PlanSettings, at: float) -> Callable[[GuardState], Block | None]:
    """Return the question which guard refuses the plan's next step at `at` (unix seconds), None if all let it pass.

    Charter is not asked: what only it could tell is fenced by the knob's generation. The mode stops no plan that has
    begun: who pauses a loop lets what is being remedied end by itself.
    """

    def asked(guards: GuardState) -> Block | None:
        under_way = any(past.plan_id == plan.plan_id for past in guards.past)
        conditions = Conditions(
            at=at,
            mode=Mode(loop=plan.loop, name=ModeName.ACT) if under_way else mode,
            guards=guards,
            committee=None,
            settings=settings,
            loop=plan.loop,
            components=plan.watched,
            trouble=(plan.cause.value, plan.component),
            plan_id=plan.plan_id,
            storm=guards.storm(plan.loop),
        )
        return first_block(REQUESTED if plan.requested_by else UNDER_WAY, plan.actions, conditions)

    return asked
