"""A metric rule: the query of a metric, and the limits beyond which it is a violation."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.types import MigratedModel
from activities.model.violation import BreachSide, Severity


class MetricRule(MigratedModel):
    """How one metric of every component is read and judged.

    `metric` is the short name, without the prefix `westworld_charter_`. `expr` is PromQL that yields one series per
    `node_or_service`; `{window}` in it is replaced by the rate window. A value beyond `threshold` starts a violation,
    which lasts until the value is back at `clear_threshold` or better (hysteresis; `clear_threshold` is never the
    stricter one). `signals` are the full names of the series that must be fresh for a valid value.

    `always_present`: every working component has the series, so a missing one is a blind spot. Otherwise a series
    starts with its first event, and a missing one means that there was none.

    `adaptive`: the metric has no fixed limit. Then `threshold` and `clear_threshold` are deviations from the baseline,
    in its spreads and positive in the bad direction, and `is_breached` compares deviations. `unit` and `kind` (as a
    recording names them) select the floor of that spread.
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
        """Return whether `value` is on the bad side of `limit`; a value equal to the limit is not."""
        return value < limit if self.breach is BreachSide.BELOW and not self.adaptive else value > limit
