"""An alert on its way from the webhook to the loop: only the fields that operators and routes need.

An alert starts a cycle and is not evidence: only Prometheus and Charter show the problem.
"""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.types import FrozenModel, MigratedModel

SEVERITIES = ("critical", "warning", "info")
"""The known severities, most severe first; any other one ranks below info."""


class Alert(FrozenModel):
    """One state of one alert, at most 400 bytes of JSON.

    `fingerprint` is Alertmanager's, equal for equal labels. `starts_at` (unix seconds) distinguishes one firing from
    the next. `firing` is False once the alert is resolved. `component` is the label `node_or_service`. Texts come from
    outside; they are truncated and printable.
    """

    fingerprint: str
    firing: bool
    starts_at: float
    name: str
    severity: str = ""
    component: str = ""

    @property
    def state(self) -> tuple[float, bool]:
        """A key that grows with each state of the alert: a new firing is later, and resolved follows firing."""
        return self.starts_at, not self.firing

    @property
    def rank(self) -> int:
        """0 for critical; higher is less severe."""
        return SEVERITIES.index(self.severity) if self.severity in SEVERITIES else len(SEVERITIES)

    @property
    def summary(self) -> str:
        """One line: `critical CommitteeOverloaded on validator-2`."""
        target = f" on {self.component}" if self.component else ""
        return " ".join(part for part in (self.severity, self.name) if part) + target


class AlertBatch(MigratedModel):
    """Argument of signal `alerts`: at most 100 alerts.

    `omitted` counts the alerts that the sender left out. `debounce` is the minimum number of seconds between two cycles
    that alerts start.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"left_out": "omitted"}

    alerts: tuple[Alert, ...] = ()
    omitted: int = 0
    debounce: float = 5.0
