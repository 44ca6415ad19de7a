"""The request and the result of a round of upkeep."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.cycle import PlanSummary
from activities.model.remediation import YieldRequest
from activities.model.types import FrozenModel, MigratedModel


class UpkeepRequest(FrozenModel):
    """Input of `MapekUpkeep` and of its activity."""

    loop: str


class YieldOrder(FrozenModel):
    """A remediation that shall be asked to give way."""

    workflow_id: str
    signal: YieldRequest


class CoolingRemediation(FrozenModel):
    """A run of a remediation that only cools down, on a knob where something is left to settle."""

    workflow_id: str
    run_id: str


class UpkeepResult(MigratedModel):
    """What there is to settle.

    `leftovers` are plans that may stand although no remediation answers for them; `resting` hold the knobs of some, and
    their rest has to end first. `yielding` are plans that wait for an approval while their violations are gone, or an
    earlier change on their knob has to be taken back.
    `closed` counts quiet incidents that were closed, `expired` snapshots.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"yielding": "yield_orders", "resting": "cooling_remediations"}

    headline: str
    leftovers: tuple[PlanSummary, ...] = ()
    yield_orders: tuple[YieldOrder, ...] = ()
    closed: int = 0
    expired: int = 0
    cooling_remediations: tuple[CoolingRemediation, ...] = ()
