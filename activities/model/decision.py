"""Plan's answer: the plans, and for every other candidate the reason against it."""

from activities.model.candidate import Candidate
from activities.model.diagnosis import Diagnosis
from activities.model.plan import Plan
from activities.model.storm import Storm
from activities.model.types import FrozenModel


class Block(FrozenModel):
    """A guard that stopped a candidate: the rule and the numbers."""

    rule: str
    knob: str
    reason: str


class Decision(FrozenModel):
    """The decision of one cycle. `outcome` is a `CycleOutcome`.

    `plans` are to be started (empty unless planned). `shadow` are plans that only the mode, a silence, a storm or a
    lack of trust held back. `candidates` are all considered ones, best first; a rejected one has its rule. `storm` is
    the storm of the loop after this decision, None if there is none.
    """

    outcome: str
    headline: str
    diagnosis: Diagnosis
    plans: tuple[Plan, ...] = ()
    shadow: tuple[Plan, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    blocks: tuple[Block, ...] = ()
    storm: Storm | None = None
