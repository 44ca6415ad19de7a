"""Which loop an alert is for. Pure: the first route that fits decides, exactly once."""

import fnmatch
import re
from collections.abc import Callable, Sequence

from activities.model.alert import Alert
from worker.config.schema import AlertRoute

IGNORE = "ignore"
"""In place of a loop: the alert starts nothing."""

_MATCHERS: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda pattern, name: pattern == name,
    "glob": lambda pattern, name: fnmatch.fnmatchcase(name, pattern),
    "regex": lambda pattern, name: re.fullmatch(pattern, name) is not None,
}


def route_alert(alert: Alert, routes: Sequence[AlertRoute], default_loop: str) -> str:
    """Return the loop the alert is for, or `IGNORE`; `default` is the loop of what no route fits."""
    return next((route.to for route in routes if route_matches(alert, route)), default_loop)


def route_matches(alert: Alert, route: AlertRoute) -> bool:
    """Tell whether the route's pattern matches the whole name of the alert and its severities hold the alert's.

    A route without severities takes any, unknown ones included.
    """
    severe = not route.severities or alert.severity in route.severities
    return severe and _MATCHERS[route.match](route.alert, alert.name)
