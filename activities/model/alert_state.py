"""What a loop's intake remembers of alerts: which it knows already, and which no cycle has looked at yet."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from activities.model.alert import Alert, AlertBatch
from activities.model.types import MigratedModel

MAX_KNOWN_ALERTS = 4000
"""Alerts remembered: at most 45 bytes each, so 180 KB of the state that is carried from run to run."""
MAX_SHOWN_ALERTS = 8
"""Alerts that wait and are named; the others are counted."""


class AlertState(MigratedModel):
    """The newest state of each alert, and what a cycle has still to look at.

    `known` holds the state by fingerprint; repeats are told by it. `worst` are the first `SHOWN` of the `waiting`
    alerts for which no cycle was started yet, in order of severity. `overflow` counts those of them that found no room
    in `known`, or that the sender left out: a repeat of one looks like a new alert, and its cycle reads Alertmanager
    itself, as every cycle does. `received`, `repeated` and `cycles` count since the intake was first started;
    `last_at` (unix seconds) is when the last cycle was started for alerts, `debounce` what the last batch wished.
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
        """Return the book with a batch in it. Firing alerts not seen before wait for a cycle; resolved ones do not."""
        known, news, lost, repeated = dict(self.last_states), [], batch.omitted, 0
        # The longest known first. Sought once a batch: in a full book every alert of a storm would seek again.
        resolved = [fingerprint for fingerprint, state in known.items() if state[1]][::-1]
        for alert in batch.alerts:
            if alert.fingerprint in known and alert.state <= known[alert.fingerprint]:
                repeated += 1
                continue
            if alert.fingerprint in known or _make_room(known, resolved):
                known[alert.fingerprint] = alert.state
            else:
                lost += alert.firing
            news += [alert] if alert.firing else []
        return self.model_copy(
            update={
                "last_states": known,
                "most_severe": tuple(
                    sorted((*self.most_severe, *news), key=lambda alert: alert.rank)[:MAX_SHOWN_ALERTS]
                ),
                "pending": self.pending + len(news) + batch.omitted,
                "overflow": self.overflow + lost,
                "received": self.received + len(batch.alerts) + batch.omitted,
                "duplicates": self.duplicates + repeated,
                "debounce": batch.debounce,
            }
        )

    def debounce_remaining(self, now: float) -> float:
        """Return the seconds until the next cycle may be started for alerts, 0 if it may at once."""
        return min(self.debounce, max(0.0, self.last_at + self.debounce - now))

    def mark_processed(self, now: float) -> "AlertState":
        """Return the book after a cycle was started at `now`: it looks at everything, so nothing waits any more."""
        cleared = {"most_severe": (), "pending": 0, "overflow": 0}
        return self.model_copy(update={**cleared, "last_at": now, "cycles": self.cycles + 1})

    @property
    def reason(self) -> str:
        """Why a cycle is started now, for people: the worst by name, the others by number."""
        named = ", ".join(alert.summary for alert in self.most_severe[:3])
        more = self.pending - min(len(self.most_severe), 3)
        rest = f"{', ' if named else ''}+{more} more" if more else ""
        overflow = f" ({self.overflow} overflow)" if self.overflow else ""
        return f"{self.pending} alert{'' if self.pending == 1 else 's'}: {named}{rest}{overflow}"


def _make_room(last_states: dict[str, tuple[float, bool]], resolved: list[str]) -> bool:
    """Tell whether another alert can be known, after forgetting a resolved one where that is needed."""
    while len(last_states) >= MAX_KNOWN_ALERTS and resolved:
        oldest = resolved.pop()
        if last_states[oldest][1]:
            del last_states[oldest]
    return len(last_states) < MAX_KNOWN_ALERTS
