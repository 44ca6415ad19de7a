"""The alerts this process delivered recently, so that a repeated alert costs no signal.

This only saves signals. `AlertState` (`activities/model/alert_state.py`), the state of the intake, decides which alert
is new, across restarts and several processes.
"""

from collections import OrderedDict
from collections.abc import Iterable

from activities.model.alert import Alert

MAX_RECENT_ALERTS = 10_000
MAX_CLOCK_AHEAD_SECONDS = 5.0
"""A start further ahead of the worker's clock is not believed: a later alert would look older than this one."""


class RecentAlerts:
    """The last alert states that Temporal accepted, at most 10,000; the one unchanged for longest is dropped first."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    def new_alerts(self, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        """Return the alerts whose state was not delivered yet."""
        return tuple(
            alert
            for alert in alerts
            if alert.fingerprint not in self._states or alert.state > self._states[alert.fingerprint]
        )

    def remember(self, alerts: Iterable[Alert]) -> None:
        """Record the alerts as accepted."""
        for alert in alerts:
            self._states[alert.fingerprint] = max(alert.state, self._states.pop(alert.fingerprint, alert.state))
            if len(self._states) > MAX_RECENT_ALERTS:
                self._states.popitem(last=False)


class FutureStarts:
    """The time of receipt of each alert whose start was in the future, at most 10,000.

    The order of an alert's states follows from its start. A sender whose clock is ahead would make every later firing
    look old, so the start becomes the time of the first receipt. A repeat keeps it.
    """

    def __init__(self) -> None:
        self._received_at: OrderedDict[tuple[str, float], float] = OrderedDict()

    def correct(self, alerts: Iterable[Alert], now: float) -> tuple[Alert, ...]:
        """Return the alerts without a start in the future of `now` (unix seconds)."""
        return tuple(self._correct(alert, now) for alert in alerts)

    def _correct(self, alert: Alert, now: float) -> Alert:
        key = alert.fingerprint, alert.starts_at
        if alert.starts_at > now + MAX_CLOCK_AHEAD_SECONDS:
            self._received_at.setdefault(key, round(now, 3))
            if len(self._received_at) > MAX_RECENT_ALERTS:
                self._received_at.popitem(last=False)
        received_at = self._received_at.get(key)
        return alert if received_at is None else alert.model_copy(update={"starts_at": received_at})
