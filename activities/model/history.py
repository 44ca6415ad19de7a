"""What was done to the knobs of a Charter lately: the memory of the guards."""

from activities.model.action import ActionType
from activities.model.types import Noun

LOOK_BACK = 86_400.0
"""Seconds the guards look back at remediations, and so the longest window one of them can have."""


class PastRemediation(Noun):
    """One remediation that was about to change Charter, or did. Times are unix seconds; it runs while `ended` is None.

    `cause` and `component` name the trouble it was for. `sense` is which way it turned its knob: 1 forth (more
    members, a policy applied), −1 back (fewer members, a policy rolled back), 0 neither (a restart). `touched` are
    the components it acts upon, "*" for all of them. `applied`: Charter did something; assumed until the end tells.
    `undone`: what it did was taken back when it ended. `generation` is where it left the knob, None if that is not
    known.
    """

    plan_id: str
    loop: str
    knob: str
    cause: str = ""
    component: str = ""
    actions: tuple[ActionType, ...] = ()
    sense: int = 0
    touched: tuple[str, ...] = ()
    began: float
    ended: float | None = None
    ending: str = ""
    applied: bool = True
    undone: bool = False
    generation: int | None = None
