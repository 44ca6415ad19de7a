"""Plan's answer: what will be done, and for everything else why not."""

from activities.model.candidate import Candidate
from activities.model.diagnosis import Diagnosis
from activities.model.plan import Plan
from activities.model.storm import Storm
from activities.model.types import FrozenModel


class Block(FrozenModel):
    """A guard that stopped a candidate: the rule's name and the numbers."""

    rule: str
    knob: str
    reason: str


class Decision(FrozenModel):
    """`outcome` is the cycle's `MapekOutcome`: planned, observed, busy, blocked, unknown or escalated.

    `plans` are to be started (empty unless planned), `shadow` those that only the mode, a silence, a storm or a lack of
    trust held back. `candidates` are all that were considered, the best first, each rejected one with its rule. `storm`
    is the storm the loop is in after this look, None if it is in none.
    """

    outcome: str
    headline: str
    diagnosis: Diagnosis
    plans: tuple[Plan, ...] = ()
    shadow: tuple[Plan, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    blocks: tuple[Block, ...] = ()
    storm: Storm | None = None
