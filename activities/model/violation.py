"""A violation: one metric of one component beyond its limit."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.types import MigratedModel


class Severity(StrEnum):
    """The severities, most urgent first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for critical; higher is less urgent."""
        return list(Severity).index(self)


class BreachSide(StrEnum):
    """The bad side of a limit. EITHER is only for rules; a violation is on one side."""

    ABOVE = "above"
    BELOW = "below"
    EITHER = "either"


class Violation(MigratedModel):
    """One (component, metric) beyond its limit, from any source.

    `value` and `limit` are in the unit of the metric, None without one (a Charter finding such as `member_health`).
    `since` (unix seconds) is the first instant of the present run beyond the limit, within the look-back. `sources` are
    among "metric" and "charter".
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"bad": "breach"}

    component: str
    metric: str
    value: float | None = None
    limit: float | None = None
    breach: BreachSide = BreachSide.ABOVE
    severity: Severity = Severity.WARNING
    since: float = 0.0
    sources: tuple[str, ...] = ("metric",)

    @property
    def key(self) -> tuple[str, str]:
        """(component, metric): the unit of `before` and `after`."""
        return (self.component, self.metric)

    @property
    def summary(self) -> str:
        """One line with values: `failure_rate 0.31 > 0.1 on gateway`."""
        sign = ">" if self.breach is BreachSide.ABOVE else "<"
        numbers = "" if self.value is None else f" {self.value:.4g}"
        limit = "" if self.limit is None else f" {sign} {self.limit:.4g}"
        return f"{self.metric}{numbers}{limit} on {self.component}"


def sort_by_severity(violations: tuple[Violation, ...] | list[Violation]) -> tuple[Violation, ...]:
    """Return the violations by severity, component and metric: a stable order for operators and ids."""
    return tuple(sorted(violations, key=lambda v: (v.severity.rank, v.component, v.metric)))
