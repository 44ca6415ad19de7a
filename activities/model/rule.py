"""A metric rule: what is read and beyond which limits it is a violation."""

from activities.model.types import Noun
from activities.model.violation import Bad, Severity


class MetricRule(Noun):
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

    metric: str
    expr: str
    enter: float
    leave: float
    bad: Bad = Bad.ABOVE
    severity: Severity = Severity.WARNING
    signals: tuple[str, ...] = ()
    steady: bool = False
    adaptive: bool = False
    unit: str = ""
    kind: str = ""

    def beyond(self, value: float, limit: float) -> bool:
        """Tell whether `value` is on the bad side of `limit`; exactly on it is still good."""
        return value < limit if self.bad is Bad.BELOW and not self.adaptive else value > limit
