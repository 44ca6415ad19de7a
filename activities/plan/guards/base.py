"""The input of the guards, and the signature of a guard."""

from collections.abc import Callable
from dataclasses import dataclass, field

from activities.model.action import Action
from activities.model.autonomy import Autonomy
from activities.model.charter import Committee, Policy
from activities.model.diagnosis import RootCause
from activities.model.guard_state import GuardState
from activities.model.history import RemediationRecord
from activities.model.mode import Mode
from activities.model.plan import Plan
from activities.model.storm import Storm
from activities.plan.settings import PlanSettings

Actions = tuple[Action, ...]
"""The actions of one plan: at least one, all on one knob."""


@dataclass(frozen=True)
class GuardInput:
    """What the guards read, as of `at` (unix seconds).

    `committee` is None if Charter was not read. `policies` are Charter's, superseded ones included.
    `component_count` is how many components the loop watches. `root` is the cause that the actions answer, and
    `confidence` the overall confidence of its diagnosis. `plan_id` is the plan that is checked, empty before there is
    one: its own start never counts against it. `by_operator`: an operator requested the plan. `storm` is the storm that
    the loop is in, None without one. `silenced` are components that may only be observed, "*" for all.
    """

    at: float
    mode: Mode
    guards: GuardState
    settings: PlanSettings
    root: RootCause
    confidence: float = 1.0
    autonomy: Autonomy = field(default_factory=Autonomy)
    committee: Committee | None = None
    policies: tuple[Policy, ...] = ()
    loop: str = ""
    component_count: int = 0
    plan_id: str = ""
    by_operator: bool = False
    storm: Storm | None = None
    silenced: tuple[str, ...] = ()

    @classmethod
    def of_plan(cls, plan: Plan, mode: Mode, guards: GuardState, settings: PlanSettings, at: float) -> "GuardInput":
        """Return the input for an existing plan from the store alone: neither Charter nor Alertmanager is read."""
        return cls(
            at=at,
            mode=mode,
            guards=guards,
            settings=settings,
            root=RootCause(
                cause=plan.cause,
                component=plan.component,
                confidence=plan.confidence,
                violated_pairs=plan.verification.targets,
            ),
            loop=plan.loop,
            component_count=plan.component_count,
            plan_id=plan.plan_id,
            by_operator=bool(plan.requested_by),
            storm=guards.storm(plan.loop),
        )

    @property
    def other_remediations(self) -> tuple[RemediationRecord, ...]:
        """The recent remediations except the plan's own, oldest first."""
        return tuple(record for record in self.guards.recent_remediations if record.plan_id != self.plan_id)

    def remediations_of(self, knob: str) -> tuple[RemediationRecord, ...]:
        """Return the other remediations of one knob, oldest first."""
        return tuple(record for record in self.other_remediations if record.knob == knob)


Guard = Callable[[Actions, GuardInput], str]
"""Returns why the actions are refused, with the numbers; empty if they may go on."""
