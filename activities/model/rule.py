"""A metric rule: what is read and beyond which limits it is a violation."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.types import MigratedModel
from activities.model.violation import BreachSide, Severity


class MetricRule(MigratedModel):
    """How one metric of every component is read and judged.

    `metric` is the short name (without the `westworld_charter_` prefix). `expr` is PromQL that yields one
    series per `node_or_service`; `{window}` in it stands for the rate window. A value beyond `enter` starts a
    violation, which lasts until the value is back at `leave` or better (hysteresis; `leave` is never the
    harsher one). `signals` are the full names of the series that must be fresh for the value to be believed.
    `steady` tells that every working component always has them, so that their absence is a blind spot; otherwise a
    series is born with its first event, and absence says that nothing happened.
    `adaptive` marks a metric without a hand-set limit: `enter` and `leave` are then deviations from what is usual for
    it, in its usual spreads and positive in the bad direction, and `beyond` is asked about deviations. `unit` and
    `kind` (as a recording names them) then choose the floor of that spread.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "enter": "threshold",
        "leave": "clear_threshold",
        "bad": "breach",
        "steady": "always_present",
    }

    metric: str
    expr: str
    threshold: float
    clear_threshold: float
    breach: BreachSide = BreachSide.ABOVE
    severity: Severity = Severity.WARNING
    signals: tuple[str, ...] = ()
    always_present: bool = False
    adaptive: bool = False
    unit: str = ""
    kind: str = ""

    def is_breached(self, value: float, limit: float) -> bool:
        """Tell whether `value` is on the bad side of `limit`; exactly on it is still good."""
        return value < limit if self.breach is BreachSide.BELOW and not self.adaptive else value > limit
