"""An incident: one trouble of a knob."""

import hashlib

from activities.model.diagnosis import Cause
from activities.model.types import Noun


class Rung(Noun):
    """One step of the ladder that was tried: which plan against which cause, and how it ended ("" while it runs)."""

    rung: int
    plan_id: str
    cause: Cause
    component: str
    ending: str = ""


class Incident(Noun):
    """One trouble of a knob, with the rungs tried. Times are unix seconds; `closed_at` None while open.

    `seen_at` is when its violations were last seen: 10 minutes later it is closed.
    """

    incident_id: str
    charter: str
    knob: str
    onset: float
    opened_at: float
    seen_at: float = 0.0
    closed_at: float | None = None
    rungs: tuple[Rung, ...] = ()


class Closed(Noun):
    """How many incidents of a Charter are over, and the seconds they took in all.

    `detection` sums onset to opened, `repair` onset to closed: divided by the number, MTTD and MTTR.
    """

    number: int = 0
    detection: float = 0.0
    repair: float = 0.0


def incident_id(charter: str, knob: str, onset: float) -> str:
    """Return the first 12 hex digits of sha256(charter, knob, onset): the same trouble has the same id."""
    return hashlib.sha256(f"{charter}\n{knob}\n{onset:.3f}".encode()).hexdigest()[:12]
