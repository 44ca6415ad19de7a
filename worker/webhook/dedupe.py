"""The alerts this process delivered recently, so that a repeated alert costs no signal.

This only saves signals: the loop itself knows every alert, across restarts and several processes.
"""

from collections import OrderedDict
from collections.abc import Iterable

from activities.model.alert import Alert

MAX_RECENT_ALERTS = 10_000


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
