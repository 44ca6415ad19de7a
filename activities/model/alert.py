"""An alert as it travels from the webhook to the loop: small, and only what people and routes need to tell it apart.

An alert makes a loop look. It is no evidence: what is wrong, and where, only Prometheus and Charter tell.
"""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.types import FrozenModel, MigratedModel

SEVERITIES = ("critical", "warning", "info")
"""What this project knows, the worst first; anything else counts as less than info."""


class Alert(FrozenModel):
    """One state of one alert: at most 400 bytes of JSON.

    `fingerprint` is Alertmanager's, the same for the same labels; `starts_at` (unix seconds) tells one firing of it
    from the next; `firing` is False once it is resolved. `component` is the label `node_or_service`. Texts come from
    outside, cut and printable.
    """

    fingerprint: str
    firing: bool
    starts_at: float
    name: str
    severity: str = ""
    component: str = ""

    @property
    def state(self) -> tuple[float, bool]:
        """What grows from each state of the alert to the next: a new firing is later, resolved follows firing."""
        return self.starts_at, not self.firing

    @property
    def rank(self) -> int:
        """0 for critical, rising as it matters less."""
        return SEVERITIES.index(self.severity) if self.severity in SEVERITIES else len(SEVERITIES)

    @property
    def summary(self) -> str:
        """Say it in one line: `critical CommitteeOverloaded on validator-2`."""
        where = f" on {self.component}" if self.component else ""
        return " ".join(part for part in (self.severity, self.name) if part) + where


class AlertBatch(MigratedModel):
    """Argument of signal `alerts`: at most 100 of them.

    `left_out` counts alerts the sender did not put in. `debounce` is the least number of seconds between two cycles
    that alerts start.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"left_out": "omitted"}

    alerts: tuple[Alert, ...] = ()
    omitted: int = 0
    debounce: float = 5.0
