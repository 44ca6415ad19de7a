"""The guard state: what keeps a knob from being touched now."""

from activities.model.base import Noun
from activities.model.incident import Incident


class KnobGuard(Noun):
    """What is known of one knob. `cooldown_until` is unix seconds, 0 for none."""

    knob: str
    cooldown_until: float = 0.0
    cooldown_why: str = ""
    quarantined: bool = False
    quarantine_why: str = ""


class Unsettled(Noun):
    """A plan that may stand on `knob` and that no outcome answers for. `since` (unix seconds) is when it was made."""

    knob: str
    plan_id: str
    since: float


class GuardState(Noun):
    """Everything of the guards store one decision needs: knobs with a guard on them, and open incidents.

    `unsettled` are plans whose remediation still runs, was terminated, or ended before Charter did what it was asked.
    """

    knobs: tuple[KnobGuard, ...] = ()
    incidents: tuple[Incident, ...] = ()
    unsettled: tuple[Unsettled, ...] = ()

    def knob(self, name: str) -> KnobGuard:
        """Return the guard of `name`, an empty one if there is none."""
        return next((k for k in self.knobs if k.knob == name), KnobGuard(knob=name))

    def standing(self, knob: str) -> Unsettled | None:
        """Return the oldest plan that is not settled on `knob`."""
        return next((u for u in self.unsettled if u.knob == knob), None)

    def incident(self, knob: str) -> Incident | None:
        """Return the open incident of `knob`."""
        return next((i for i in self.incidents if i.knob == knob and i.closed_at is None), None)
