"""The alerts and silences in an observation, and an observation without them."""

from typing import Any

import httpx
import pytest

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.charter import CharterClient
from activities.clients.http import HttpClient
from activities.clients.prometheus import PrometheusClient
from activities.dependencies import LoopDependencies
from activities.readings.alertmanager import alertmanager_fields, fetch_alertmanager
from activities.settings import LoopSettings

ALERT_JSON = {
    "fingerprint": "f",
    "labels": {"alertname": "A", "node_or_service": "gateway"},
    "annotations": {},
    "startsAt": "2026-01-31T12:00:00Z",
    "endsAt": "2026-01-31T12:05:00Z",
    "status": {"silencedBy": ["s"], "inhibitedBy": [], "state": "suppressed"},
}


def make_dependencies(answers: dict[str, httpx.Response], **changes: Any) -> LoopDependencies:
    """Return a loop whose Alertmanager has these answers by the last word of the path, and 503 for other paths."""

    def handler(request: httpx.Request) -> httpx.Response:
        return answers.get(request.url.path.rpartition("/")[2], httpx.Response(503))

    http = HttpClient(httpx.MockTransport(handler))
    remotes: dict[str, Any] = {
        "prometheus": PrometheusClient(http, "http://p"),
        "charter": CharterClient(http, "http://c", str),
    }
    client = AlertmanagerClient(http, "http://a")
    return LoopDependencies(LoopSettings(), **({**remotes, "alertmanager": client} | changes))


async def fetch_alertmanager_fields(dependencies: LoopDependencies) -> dict[str, object]:
    """Return the fields of an observation that come from Alertmanager."""
    return alertmanager_fields(await fetch_alertmanager(dependencies), dependencies, dependencies.settings.components)


async def test_fields_hold_alert_count_and_silenced_components() -> None:
    """The fields hold the number of alerts and the components that an operator silenced."""
    loop = make_dependencies(
        {"alerts": httpx.Response(200, json=[ALERT_JSON]), "silences": httpx.Response(200, json=[])}
    )
    assert await fetch_alertmanager_fields(loop) == {"alerts": 1, "alerts_unread": "", "silenced": ("gateway",)}


@pytest.mark.parametrize(("required", "silenced"), [(False, ()), (True, ("*",))])
async def test_alertmanager_that_fails(required: bool, silenced: tuple[str, ...]) -> None:
    """The reason is kept, the alerts are None and not 0, and with `silences_required` all components are silenced."""
    fields = await fetch_alertmanager_fields(make_dependencies({}, silences_required=required))
    assert (fields["alerts"], fields["silenced"]) == (None, silenced)
    assert "GET /api/v2/alerts: 503" in str(fields["alerts_unread"])


async def test_silences_count_without_readable_alerts() -> None:
    """A list of alerts that cannot be read does not end a silence."""
    matcher = {"name": "node_or_service", "value": "gateway", "isRegex": False, "isEqual": True}
    body = [{"id": "s", "status": {"state": "active"}, "matchers": [matcher]}]
    fields = await fetch_alertmanager_fields(make_dependencies({"silences": httpx.Response(200, json=body)}))
    assert fields["silenced"] == ("gateway",)


async def test_loop_without_alertmanager() -> None:
    """A loop without an Alertmanager sends no request."""
    loop = make_dependencies({}, alertmanager=None)
    assert await fetch_alertmanager_fields(loop) == {"alerts": None, "alerts_unread": "", "silenced": ()}
