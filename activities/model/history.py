"""What was done to the knobs of a Charter lately: the memory of the guards."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.action import ActionType
from activities.model.types import MigratedModel

HISTORY_WINDOW_SECONDS = 86_400.0
"""Seconds the guards look back at remediations, and so the longest window one of them can have."""


class RemediationRecord(MigratedModel):
    """One remediation that was about to change Charter, or did. Times are unix seconds; it runs while `ended` is None.

    `cause` and `component` name the trouble it was for. `sense` is which way it turned its knob: 1 forth (more
    members, a policy applied), −1 back (fewer members, a policy rolled back), 0 neither (a restart). `touched` are
    the components it acts upon, "*" for all of them. `applied`: Charter did something; assumed until the end tells.
    `undone`: what it did was taken back when it ended. `generation` is where it left the knob, None if that is not
    known.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "sense": "knob_direction",
        "touched": "affected_components",
        "began": "started_at",
        "ended": "ended_at",
        "ending": "outcome",
        "undone": "rolled_back",
    }

    plan_id: str
    loop: str
    knob: str
    cause: str = ""
    component: str = ""
    actions: tuple[ActionType, ...] = ()
    knob_direction: int = 0
    affected_components: tuple[str, ...] = ()
    started_at: float
    ended_at: float | None = None
    outcome: str = ""
    applied: bool = True
    rolled_back: bool = False
    generation: int | None = None
