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
    """A remediation that upkeep asks to yield."""

    workflow_id: str
    signal: YieldRequest


class CoolingRemediation(FrozenModel):
    """A run that only cools down, on a knob with a leftover."""

    workflow_id: str
    run_id: str


class UpkeepResult(MigratedModel):
    """The work that a round of upkeep found.

    `leftovers` are plans that may be applied without a remediation. `cooling_remediations` hold the knobs of some of
    them, and must end first. `yield_orders` are for plans that wait for approval although their violations are gone, or
    although an earlier change on their knob must be undone. `closed` counts the quiet incidents that were closed,
    `expired` the snapshots.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"yielding": "yield_orders", "resting": "cooling_remediations"}

    headline: str
    leftovers: tuple[PlanSummary, ...] = ()
    yield_orders: tuple[YieldOrder, ...] = ()
    closed: int = 0
    expired: int = 0
    cooling_remediations: tuple[CoolingRemediation, ...] = ()
