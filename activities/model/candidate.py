"""A policy that the planner considered."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.action import Action
from activities.model.diagnosis import Cause
from activities.model.types import MigratedModel


class Candidate(MigratedModel):
    """Actions on one knob with their cost. All figures are 0 to 1, except `score` = benefit − cost, −1 to 1.

    `rung` (from 0) is its rung on the ladder of its cause. `rejected_by` is the rule that rejected it, empty if none
    did; `reason` gives the numbers. `propensity` is the probability with which it was chosen among the alternatives of
    its cause, 1 or 0 without exploration. `effectiveness_lower_bound` is one-sided, 95 %.
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
        """The one knob that all its actions change."""
        return self.actions[0].knob

    @property
    def summary(self) -> str:
        """One line with the numbers."""
        actions = " then ".join(a.summary for a in self.actions)
        numbers = f"benefit {self.benefit:.2f} − cost {self.cost:.2f} = score {self.score:+.2f}"
        rejection = f"; rejected by {self.rejected_by}: {self.reason}" if self.rejected_by else ""
        return f"{actions}: {numbers}{rejection}"
