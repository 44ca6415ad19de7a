"""An incident: one problem of a knob, with the rungs that were tried against it."""

import hashlib
from collections.abc import Mapping
from typing import ClassVar

from activities.model.diagnosis import Cause
from activities.model.types import FrozenModel, MigratedModel

INCIDENT_QUIET_SECONDS = 600.0
"""Seconds without a violation after which an incident is over, and the same problem a new one."""


class Rung(MigratedModel):
    """One rung that was tried: its plan, its cause, and its outcome ("" while it runs)."""

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"ending": "outcome"}

    rung: int
    plan_id: str
    cause: Cause
    component: str
    outcome: str = ""


class Incident(MigratedModel):
    """One problem of a knob, with the rungs tried. Times are unix seconds; `closed_at` is None while it is open.

    `last_seen_at` is when its violations were last seen; it is closed `INCIDENT_QUIET_SECONDS` later.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"seen_at": "last_seen_at"}

    incident_id: str
    charter: str
    knob: str
    onset: float
    opened_at: float
    last_seen_at: float = 0.0
    closed_at: float | None = None
    rungs: tuple[Rung, ...] = ()


class KnobProblem(FrozenModel):
    """A problem observed at a knob, at `observed_at`. Its incident gets `onset`, unless one is open. Unix seconds."""

    charter: str
    knob: str
    onset: float
    observed_at: float


class IncidentTotals(FrozenModel):
    """The number of closed incidents of a Charter, and the seconds that they took in total.

    `detection_seconds` sums onset to opened, `repair_seconds` onset to closed. Divided by `count`: MTTD and MTTR.
    """

    count: int = 0
    detection_seconds: float = 0.0
    repair_seconds: float = 0.0


def compute_incident_id(charter: str, knob: str, onset: float) -> str:
    """Return the first 12 hex digits of sha256(charter, knob, onset): the same problem has the same id."""
    return hashlib.sha256(f"{charter}\n{knob}\n{onset:.3f}".encode()).hexdigest()[:12]
