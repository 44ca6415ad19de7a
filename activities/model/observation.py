"""Monitor's answer in one cycle."""

from activities.model.blindspot import BlindSpot
from activities.model.cycle import CycleOutcome
from activities.model.types import FrozenModel
from activities.model.violation import Violation

MAX_SHOWN_ENTRIES = 8
"""Maximum number of violations, and of blind spots, in an observation: a history must stay bounded."""


class Observation(FrozenModel):
    """Monitor's answer, bounded in size.

    `at` (unix seconds) is the instant of all later phases of the cycle. `violations` and `blind` are the
    `MAX_SHOWN_ENTRIES` most severe ones; the counts cover all. `suspects` counts values between the clear threshold and
    the threshold: only the past shows whether they are violations, so the cycle continues to Analyze. `blind_remote`:
    Prometheus or Charter could not be read at all, so no decision is possible. `silenced` are the components that
    operators silenced at Alertmanager, "*" for all: they are observed and not changed. `alerts` counts the firing
    alerts there, None if Alertmanager was not queried; `alerts_unread` says why they could not be read.
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
        """How the cycle ends after Monitor, blind or healthy; empty if it continues to Analyze."""
        if self.blind_remote:
            return CycleOutcome.BLIND
        if self.violation_count > 0 or self.suspects > 0:
            return ""
        return CycleOutcome.BLIND if self.blind_count else CycleOutcome.HEALTHY
