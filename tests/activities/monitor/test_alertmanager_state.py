"""What Alertmanager tells a cycle, and what a cycle does without it."""

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
    """Return a loop whose Alertmanager answers so, by the last word of the path; what is not there is 503."""

    def handler(request: httpx.Request) -> httpx.Response:
        return answers.get(request.url.path.rpartition("/")[2], httpx.Response(503))

    http = HttpClient(httpx.MockTransport(handler))
    remotes = {"prometheus": PrometheusClient(http, "http://p"), "charter": CharterClient(http, "http://c", str)}
    client = AlertmanagerClient(http, "http://a")
    return LoopDependencies(LoopSettings(), **({**remotes, "alertmanager": client} | changes))


async def fetch_alertmanager_fields(dependencies: LoopDependencies) -> dict[str, object]:
    """Return what a cycle takes from Alertmanager."""
    return alertmanager_fields(await fetch_alertmanager(dependencies), dependencies, dependencies.settings.components)


async def test_it_tells_what_fires_and_what_is_silenced() -> None:
    """The number of alerts, and the components a person has silenced."""
    loop = make_dependencies(
        {"alerts": httpx.Response(200, json=[ALERT_JSON]), "silences": httpx.Response(200, json=[])}
    )
    assert await fetch_alertmanager_fields(loop) == {"alerts": 1, "alerts_unread": "", "silenced": ("gateway",)}


@pytest.mark.parametrize(("required", "silenced"), [(False, ()), (True, ("*",))])
async def test_without_an_answer(required: bool, silenced: tuple[str, ...]) -> None:
    """The reason is told, nothing is taken for "no alerts", and where silences are required all is only observed."""
    found = await fetch_alertmanager_fields(make_dependencies({}, silences_required=required))
    assert (found["alerts"], found["silenced"]) == (None, silenced)
    assert "GET /api/v2/alerts: 503" in str(found["alerts_unread"])


async def test_silences_count_without_the_alerts() -> None:
    """A list of alerts that cannot be read takes no silence away."""
    matcher = {"name": "node_or_service", "value": "gateway", "isRegex": False, "isEqual": True}
    body = [{"id": "s", "status": {"state": "active"}, "matchers": [matcher]}]
    found = await fetch_alertmanager_fields(make_dependencies({"silences": httpx.Response(200, json=body)}))
    assert found["silenced"] == ("gateway",)


async def test_not_asked() -> None:
    """Without an Alertmanager nobody is asked."""
    loop = make_dependencies({}, alertmanager=None)
    assert await fetch_alertmanager_fields(loop) == {"alerts": None, "alerts_unread": "", "silenced": ()}
