"""The guard state: what keeps a knob from being touched now."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.history import RemediationRecord
from activities.model.incident import Incident
from activities.model.storm import Storm
from activities.model.types import FrozenModel, MigratedModel


class KnobGuard(MigratedModel):
    """What is known of one knob. `cooldown_until` is unix seconds, 0 for none.

    `released_at` is when a person last said that the knob may be trusted again (0: never): what it did before that
    freezes it no more.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "cooldown_why": "cooldown_reason",
        "quarantine_why": "quarantine_reason",
    }

    knob: str
    cooldown_until: float = 0.0
    cooldown_reason: str = ""
    quarantined: bool = False
    quarantine_reason: str = ""
    released_at: float = 0.0


class UnsettledPlan(FrozenModel):
    """A plan that may stand on `knob` and that no outcome answers for. `since` (unix seconds) is when it was made."""

    knob: str
    plan_id: str
    since: float


class GuardState(MigratedModel):
    """Everything of the guards store one decision needs.

    Knobs with a guard on them, open incidents, the remediations of the last day, the oldest first, whichever loop they
    are of, and the loops in storm mode. `unsettled` are plans whose remediation still runs, was terminated, or ended
    before Charter did what it was asked.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"past": "recent_remediations"}

    knobs: tuple[KnobGuard, ...] = ()
    incidents: tuple[Incident, ...] = ()
    unsettled: tuple[UnsettledPlan, ...] = ()
    recent_remediations: tuple[RemediationRecord, ...] = ()
    storms: tuple[Storm, ...] = ()

    def knob(self, name: str) -> KnobGuard:
        """Return the guard of `name`, an empty one if there is none."""
        return next((k for k in self.knobs if k.knob == name), KnobGuard(knob=name))

    def unsettled_on(self, knob: str) -> UnsettledPlan | None:
        """Return the oldest plan that is not settled on `knob`."""
        return next((u for u in self.unsettled if u.knob == knob), None)

    def incident(self, knob: str) -> Incident | None:
        """Return the open incident of `knob`."""
        return next((i for i in self.incidents if i.knob == knob and i.closed_at is None), None)

    def storm(self, loop: str) -> Storm | None:
        """Return the storm `loop` is in, None if it is in none."""
        return next((storm for storm in self.storms if storm.loop == loop), None)
