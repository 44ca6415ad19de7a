"""The alerts that the intake of a loop knows: when two alerts are the same, and which wait for a cycle."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from activities.model.alert import Alert, AlertBatch
from activities.model.types import MigratedModel

MAX_KNOWN_ALERTS = 4000
"""Alerts kept: at most 45 bytes each, so 180 KB of the state that is carried from run to run."""
MAX_SHOWN_ALERTS = 8
"""Pending alerts that are named; the others are counted."""


class AlertState(MigratedModel):
    """The newest state of each alert, and the alerts that no cycle has processed yet.

    Two alerts are the same if they have the same fingerprint. A repeat has a state that is not newer than the one in
    `last_states`, and starts nothing. A state is the start of the alert and whether it is resolved.

    `pending` counts the alerts for which no cycle has started; `most_severe` names up to `MAX_SHOWN_ALERTS` of them.
    `overflow` counts the pending alerts without an entry in `last_states`: it was full, or the sender omitted them. A
    repeat of such an alert starts another cycle. `received`, `duplicates` and `cycles` count since the first start of
    the intake. `last_at` (unix seconds) is the start of the last cycle for alerts. `debounce` is the minimum number of
    seconds between two such cycles, as the newest batch set it.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {
        "known": "last_states",
        "worst": "most_severe",
        "waiting": "pending",
        "repeated": "duplicates",
    }

    last_states: dict[str, tuple[float, bool]] = Field(default_factory=dict)
    most_severe: tuple[Alert, ...] = ()
    pending: int = 0
    overflow: int = 0
    received: int = 0
    duplicates: int = 0
    cycles: int = 0
    last_at: float = 0.0
    debounce: float = 0.0

    def merge(self, batch: AlertBatch) -> "AlertState":
        """Return the state after a batch of alerts. Each new firing alert becomes pending, a resolved one does not."""
        known, firing, overflow, duplicates = dict(self.last_states), [], batch.omitted, 0
        # The last entry is the oldest. One list serves the whole batch: to build it for each alert of a storm is slow.
        resolved = [fingerprint for fingerprint, state in known.items() if state[1]][::-1]
        for alert in batch.alerts:
            if alert.fingerprint in known and alert.state <= known[alert.fingerprint]:
                duplicates += 1
                continue
            if alert.fingerprint in known or _make_room(known, resolved):
                known[alert.fingerprint] = alert.state
            else:
                overflow += alert.firing
            firing += [alert] if alert.firing else []
        return self.model_copy(
            update={
                "last_states": known,
                "most_severe": tuple(
                    sorted((*self.most_severe, *firing), key=lambda alert: alert.rank)[:MAX_SHOWN_ALERTS]
                ),
                "pending": self.pending + len(firing) + batch.omitted,
                "overflow": self.overflow + overflow,
                "received": self.received + len(batch.alerts) + batch.omitted,
                "duplicates": self.duplicates + duplicates,
                "debounce": batch.debounce,
            }
        )

    def debounce_remaining(self, now: float) -> float:
        """Return the seconds until alerts may start the next cycle, 0 if they may now."""
        return min(self.debounce, max(0.0, self.last_at + self.debounce - now))

    def mark_processed(self, now: float) -> "AlertState":
        """Return the state after a cycle was started at `now`. It checks all components, so no alert is pending."""
        cleared = {"most_severe": (), "pending": 0, "overflow": 0}
        return self.model_copy(update={**cleared, "last_at": now, "cycles": self.cycles + 1})

    def without_future_starts(self, now: float) -> "AlertState":
        """Return the state without alerts whose start is after `now`: every later firing would look older than it."""
        states = {fingerprint: state for fingerprint, state in self.last_states.items() if state[0] <= now}
        return self.model_copy(update={"last_states": states})

    @property
    def reason(self) -> str:
        """Why a cycle is started now, for operators: the most severe alerts by name, the others counted."""
        named = ", ".join(alert.summary for alert in self.most_severe[:3])
        more = self.pending - min(len(self.most_severe), 3)
        others = f"{', ' if named else ''}+{more} more" if more else ""
        overflow = f" ({self.overflow} overflow)" if self.overflow else ""
        return f"{self.pending} alert{'' if self.pending == 1 else 's'}: {named}{others}{overflow}"


def _make_room(last_states: dict[str, tuple[float, bool]], resolved: list[str]) -> bool:
    """Return whether another alert fits, after dropping a resolved one if needed."""
    while len(last_states) >= MAX_KNOWN_ALERTS and resolved:
        oldest = resolved.pop()
        if last_states[oldest][1]:
            del last_states[oldest]
    return len(last_states) < MAX_KNOWN_ALERTS
