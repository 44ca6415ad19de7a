"""Which alerts Alertmanager holds."""

import httpx
import pytest

from activities.clients.alertmanager import ActiveAlert, AlertmanagerClient
from activities.clients.http import Http
from activities.model.errors import Overloaded, Unreadable

ALERT = {
    "annotations": {"summary": "too slow"},
    "endsAt": "2026-01-21T10:20:00.000Z",
    "fingerprint": "9c1f",
    "receivers": [{"name": "mapek"}],
    "startsAt": "2026-01-21T12:15:00.500+02:00",
    "status": {"inhibitedBy": [], "silencedBy": [], "state": "active"},
    "updatedAt": "2026-01-21T10:15:01Z",
    "generatorURL": "http://evil/",
    "labels": {"alertname": "ValidationLatency", "node_or_service": "gateway"},
}


def alertmanager(reply: httpx.Response, seen: list[httpx.Request]) -> AlertmanagerClient:
    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return reply

    return AlertmanagerClient(Http(httpx.MockTransport(handler)), "http://alertmanager:9093")


async def test_active_alerts():
    """An alert keeps its labels, and its times become unix seconds whatever their zone; no link is kept."""
    seen: list[httpx.Request] = []
    got = await alertmanager(httpx.Response(200, json=[ALERT]), seen).alerts()
    assert got == (
        ActiveAlert(
            fingerprint="9c1f",
            labels=ALERT["labels"],
            annotations={"summary": "too slow"},
            starts_at=1768990500.5,
            ends_at=1768990800.0,
        ),
    )
    assert seen[0].url.path == "/api/v2/alerts"
    assert dict(seen[0].url.params) == {
        "active": "true",
        "silenced": "false",
        "inhibited": "false",
        "unprocessed": "false",
    }


@pytest.mark.parametrize("body", [[{**ALERT, "startsAt": "2026-01-21 10:15"}], [{**ALERT, "labels": None}], {}])
async def test_an_alert_that_cannot_be_read(body: object):
    """One odd alert makes the answer unreadable; it is not dropped silently."""
    with pytest.raises(Unreadable):
        await alertmanager(httpx.Response(200, json=body), []).alerts()


async def test_ready():
    """Ready is 200; 503 raises."""
    seen: list[httpx.Request] = []
    assert await alertmanager(httpx.Response(200, text="OK"), seen).ready() is None
    assert seen[0].url.path == "/-/ready"
    with pytest.raises(Overloaded):
        await alertmanager(httpx.Response(503), []).ready()
