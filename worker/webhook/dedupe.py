"""What this process has handed over lately, so that a repeat costs no signal.

Only a saving and a count: the loop itself knows every alert, across restarts and with several of these processes.
"""

from collections import OrderedDict
from collections.abc import Iterable

from activities.model.alert import Alert

MAX_RECENT_ALERTS = 10_000


class RecentAlerts:
    """The newest states that Temporal has accepted, at most 10,000; the longest unchanged is forgotten first."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, tuple[float, bool]] = OrderedDict()

    def new_alerts(self, alerts: Iterable[Alert]) -> tuple[Alert, ...]:
        """Return the alerts whose state was not handed over yet."""
        return tuple(
            alert
            for alert in alerts
            if alert.fingerprint not in self._states or alert.state > self._states[alert.fingerprint]
        )

    def remember(self, alerts: Iterable[Alert]) -> None:
        """Note that these were accepted."""
        for alert in alerts:
            self._states[alert.fingerprint] = max(alert.state, self._states.pop(alert.fingerprint, alert.state))
            if len(self._states) > MAX_RECENT_ALERTS:
                self._states.popitem(last=False)
