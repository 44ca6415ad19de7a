"""Routing of alerts to loops. Pure: the first matching route decides."""

import fnmatch
import re
from collections.abc import Callable, Sequence

from activities.model.alert import Alert
from worker.config.schema import AlertRoute

IGNORE = "ignore"
"""The target of a route whose alerts start nothing."""

_MATCHERS: dict[str, Callable[[str, str], bool]] = {
    "exact": lambda pattern, name: pattern == name,
    "glob": lambda pattern, name: fnmatch.fnmatchcase(name, pattern),
    "regex": lambda pattern, name: re.fullmatch(pattern, name) is not None,
}


def route_alert(alert: Alert, routes: Sequence[AlertRoute], default_loop: str) -> str:
    """Return the loop of the alert, or `IGNORE`; `default_loop` is for alerts that match no route."""
    return next((route.to for route in routes if route_matches(alert, route)), default_loop)


def route_matches(alert: Alert, route: AlertRoute) -> bool:
    """Return whether the route's pattern matches the whole name of the alert, and its severities contain the alert's.

    A route without severities matches any severity, also an unknown one.
    """
    severity_matches = not route.severities or alert.severity in route.severities
    return severity_matches and _MATCHERS[route.match](route.alert, alert.name)
