"""A policy the planner considered."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.action import Action
from activities.model.diagnosis import Cause
from activities.model.types import MigratedModel


class Candidate(MigratedModel):
    """Actions on one knob with their price. All figures are 0 to 1, `score` = benefit − cost, −1 to 1.

    `rung` is its step (from 0) on the ladder of its cause. `rejected_by` is the name of the rule that stopped it,
    empty for the one that may go; `reason` says with numbers why. `propensity` is the probability with which it was
    chosen among the alternatives of its cause: 1 or 0 as long as nothing is drawn. `lower` is the one-sided 95 % lower
    bound of its effectiveness.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"lower": "effectiveness_lower_bound"}

    cause: Cause
    component: str
    rung: int
    actions: tuple[Action, ...]
    cost: float
    benefit: float
    score: float
    effectiveness: float = 0.0
    effectiveness_lower_bound: float = 0.0
    propensity: float = 0.0
    rejected_by: str = ""
    reason: str = ""

    @property
    def knob(self) -> str:
        """The one knob all its actions change."""
        return self.actions[0].knob

    @property
    def summary(self) -> str:
        """One line with the numbers."""
        what = " then ".join(a.summary for a in self.actions)
        numbers = f"benefit {self.benefit:.2f} − cost {self.cost:.2f} = score {self.score:+.2f}"
        stop = f"; rejected by {self.rejected_by}: {self.reason}" if self.rejected_by else ""
        return f"{what}: {numbers}{stop}"
