"""Routing of alerts to loops."""

from typing import Any

import pytest

from activities.model.alert import Alert
from worker.config.schema import AlertRoute
from worker.webhook.routing import route_alert


def make_alert(name: str, severity: str = "warning") -> Alert:
    return Alert(fingerprint="f", firing=True, starts_at=1.0, name=name, severity=severity)


@pytest.mark.parametrize(
    ("route", "name", "severity", "to"),
    [
        ({"alert": "Policy*"}, "PolicyLoadFailure", "critical", "ignore"),
        ({"alert": "Policy*"}, "policyLoadFailure", "critical", "first"),
        ({"alert": "Policy"}, "PolicyLoadFailure", "critical", "first"),
        ({"alert": "Policy", "match": "exact"}, "Policy", "info", "ignore"),
        ({"alert": "Policy*", "match": "exact"}, "PolicyLoad", "info", "first"),
        ({"alert": "Policy|Load.*", "match": "regex"}, "LoadX", "", "ignore"),
        ({"alert": "Load", "match": "regex"}, "LoadX", "", "first"),
        ({"alert": "*", "severities": ["info"]}, "Any", "info", "ignore"),
        ({"alert": "*", "severities": ["info"]}, "Any", "warning", "first"),
        ({"alert": "*", "severities": ["info"]}, "Any", "", "first"),
        ({"alert": "*", "to": "second"}, "", "", "second"),
    ],
)
def test_a_route_matches_by_name_and_severity(route: dict[str, Any], name: str, severity: str, to: str) -> None:
    """A pattern matches the whole name (exact, glob, regex), severities restrict it; other alerts go to the default."""
    assert route_alert(make_alert(name, severity), (AlertRoute.model_validate(route),), "first") == to


def test_the_first_matching_route_decides() -> None:
    """A later route has no effect."""
    routes = (AlertRoute(alert="Po*", to="second"), AlertRoute(alert="*"))
    assert [route_alert(make_alert(name), routes, "first") for name in ("Policy", "Other")] == ["second", "ignore"]
