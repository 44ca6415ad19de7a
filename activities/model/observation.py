"""What Monitor saw in one cycle."""

from activities.model.blindspot import BlindSpot
from activities.model.cycle import CycleOutcome
from activities.model.types import FrozenModel
from activities.model.violation import Violation

MAX_SHOWN_ENTRIES = 8
"""How many violations, and how many blind spots, an observation carries: a history must not grow with them."""


class Observation(FrozenModel):
    """Monitor's answer, bounded in size.

    `at` is the instant (unix seconds) all later phases of the cycle look at. `violations` and `blind` are the
    worst `SHOWN`; the counts are of all. `suspects` counts values between leave and enter limit: only the past
    tells whether they are violations, so they make the cycle look closer. `blind_remote` is set when Prometheus
    or Charter as a whole could not be read: then nothing can be decided. `silenced` are components about which a
    person told Alertmanager to keep quiet, "*" all: they are observed and not acted upon. `alerts` counts what fires
    there, None where it was not asked; `alerts_unread` says why it could not be told.
    """

    headline: str
    at: float
    violations: tuple[Violation, ...] = ()
    violation_count: int = 0
    suspects: int = 0
    blind: tuple[BlindSpot, ...] = ()
    blind_count: int = 0
    blind_remote: bool = False
    silenced: tuple[str, ...] = ()
    alerts: int | None = None
    alerts_unread: str = ""

    @property
    def outcome(self) -> str:
        """How the cycle ends here: blind or healthy; empty if it has to go on to Analyze."""
        if self.blind_remote:
            return CycleOutcome.BLIND
        if self.violation_count > 0 or self.suspects > 0:
            return ""
        return CycleOutcome.BLIND if self.blind_count else CycleOutcome.HEALTHY
