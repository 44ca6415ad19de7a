"""The guard state: the reasons not to change a knob now."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.history import RemediationRecord
from activities.model.incident import Incident
from activities.model.storm import Storm
from activities.model.types import FrozenModel, MigratedModel


class KnobGuard(MigratedModel):
    """The guards on one knob. `cool_down_until` is unix seconds, 0 for none.

    `released_at` is when an operator last released the knob, 0 for never. Remediations before that do not freeze it.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "cooldown_until": "cool_down_until",
        "cooldown_why": "cool_down_reason",
        "cooldown_reason": "cool_down_reason",
        "quarantine_why": "quarantine_reason",
    }

    knob: str
    cool_down_until: float = 0.0
    cool_down_reason: str = ""
    quarantined: bool = False
    quarantine_reason: str = ""
    released_at: float = 0.0


class UnsettledPlan(FrozenModel):
    """A plan that may be applied on `knob` without a recorded outcome. `since` (unix seconds) is its creation."""

    knob: str
    plan_id: str
    since: float


class GuardState(MigratedModel):
    """Everything in the guards store that one decision needs.

    `knobs` have a guard, `incidents` are open, `storms` are the loops in storm mode. `recent_remediations` are those of
    the last day, of every loop, oldest first. `unsettled` are plans whose remediation still runs, was terminated, or
    ended before Charter made a requested change.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"past": "recent_remediations"}

    knobs: tuple[KnobGuard, ...] = ()
    incidents: tuple[Incident, ...] = ()
    unsettled: tuple[UnsettledPlan, ...] = ()
    recent_remediations: tuple[RemediationRecord, ...] = ()
    storms: tuple[Storm, ...] = ()

    def knob(self, name: str) -> KnobGuard:
        """Return the guards on a knob, empty if there are none."""
        return next((k for k in self.knobs if k.knob == name), KnobGuard(knob=name))

    def unsettled_on(self, knob: str) -> UnsettledPlan | None:
        """Return the oldest unsettled plan of `knob`."""
        return next((u for u in self.unsettled if u.knob == knob), None)

    def incident(self, knob: str) -> Incident | None:
        """Return the open incident of `knob`."""
        return next((i for i in self.incidents if i.knob == knob and i.closed_at is None), None)

    def storm(self, loop: str) -> Storm | None:
        """Return the storm of `loop`, None if there is none."""
        return next((storm for storm in self.storms if storm.loop == loop), None)
