"""What the guards look at, and the shape of a guard."""

from collections.abc import Callable
from dataclasses import dataclass

from activities.model.action import Action
from activities.model.charter import Committee, Policy
from activities.model.decision import Block
from activities.model.guard_state import GuardState
from activities.model.history import RemediationRecord
from activities.model.mode import Mode
from activities.model.storm import Storm
from activities.plan.settings import PlanSettings

Actions = tuple[Action, ...]


@dataclass(frozen=True)
class GuardInput:
    """What the rules look at, as of `at` (unix seconds).

    `committee` is None where Charter was not asked; what needs it then refuses. `policies` are Charter's, superseded
    ones too. `loop` is who wants to act, `components` is how many it watches, `trouble` is the (cause, component) that
    is to be cured. `plan_id` is the plan itself once there is one: its own beginning is not held against it. `storm` is
    the storm the loop is in now, None if it is in none.
    """

    at: float
    mode: Mode
    guards: GuardState
    committee: Committee | None
    settings: PlanSettings
    policies: tuple[Policy, ...] = ()
    loop: str = ""
    component_count: int = 0
    cause_key: tuple[str, str] = ("", "")
    plan_id: str = ""
    storm: Storm | None = None

    @property
    def other_remediations(self) -> tuple[RemediationRecord, ...]:
        """The remediations that can be held against the plan, the oldest first: all but itself."""
        return tuple(past for past in self.guards.recent_remediations if past.plan_id != self.plan_id)

    def remediations_of(self, knob: str) -> tuple[RemediationRecord, ...]:
        """Return those of one knob."""
        return tuple(past for past in self.other_remediations if past.knob == knob)


Guard = Callable[[Actions, GuardInput], Block | None]


def make_block(rule: str, actions: Actions, reason: str) -> Block:
    """Return the block of these actions (at least one, all on one knob); `reason` holds the numbers."""
    return Block(rule=rule, knob=actions[0].knob, reason=reason)
