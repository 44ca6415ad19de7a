"""The recent remediations of a Charter's knobs: the memory of the guards."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.action import ActionType
from activities.model.types import MigratedModel

HISTORY_WINDOW_SECONDS = 86_400.0
"""Seconds of remediations that the guards read, and so the longest possible window of a guard."""


class RemediationRecord(MigratedModel):
    """One remediation that was about to change Charter, or did.

    Times are unix seconds; `ended_at` is None while it runs. `cause` and `component` name its problem. `knob_direction`
    is 1 forth (more members, a policy applied), −1 back (fewer members, a policy rolled back), 0 for neither (a
    restart). `affected_components` are the components that it changes, "*" for all. `applied`: Charter made a change;
    assumed until the end. `rolled_back`: the change was undone at the end. `generation` is that of the knob afterwards,
    None if unknown.
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
