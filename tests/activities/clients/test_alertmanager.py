"""Which alerts Alertmanager holds."""

import json

import httpx
import pytest

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.http import HttpClient
from activities.model.alertmanager import ActiveAlert, Matcher, Silence
from activities.model.errors import InvalidResponse, Overloaded, Rejected

ALERT_JSON = {
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


def make_client(reply: httpx.Response, requests: list[httpx.Request]) -> AlertmanagerClient:
    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return reply

    return AlertmanagerClient(HttpClient(httpx.MockTransport(handler)), "http://alertmanager:9093")


async def test_active_alerts() -> None:
    """An alert keeps its labels, and its times become unix seconds in any zone; no link is kept."""
    requests: list[httpx.Request] = []
    result = await make_client(httpx.Response(200, json=[ALERT_JSON]), requests).fetch_alerts()
    assert result == (
        ActiveAlert(
            fingerprint="9c1f",
            labels=ALERT_JSON["labels"],
            annotations={"summary": "too slow"},
            starts_at=1768990500.5,
            ends_at=1768990800.0,
        ),
    )
    assert requests[0].url.path == "/api/v2/alerts"
    assert dict(requests[0].url.params) == {
        "active": "true",
        "silenced": "false",
        "inhibited": "false",
        "unprocessed": "false",
    }


@pytest.mark.parametrize(
    "body", [[{**ALERT_JSON, "startsAt": "2026-01-21 10:15"}], [{**ALERT_JSON, "labels": None}], {}]
)
async def test_an_alert_that_cannot_be_read(body: object) -> None:
    """One invalid alert makes the answer unreadable; it is not dropped silently."""
    with pytest.raises(InvalidResponse):
        await make_client(httpx.Response(200, json=body), []).fetch_alerts()


async def test_ready() -> None:
    """Ready is 200; 503 raises."""
    requests: list[httpx.Request] = []
    await make_client(httpx.Response(200, text="OK"), requests).check_ready()
    assert requests[0].url.path == "/-/ready"
    with pytest.raises(Overloaded):
        await make_client(httpx.Response(503), []).check_ready()


async def test_muted_alerts() -> None:
    """Silenced and inhibited alerts are included on request."""
    requests: list[httpx.Request] = []
    silenced = {**ALERT_JSON, "status": {"inhibitedBy": [], "silencedBy": ["s1"], "mutedBy": [], "state": "suppressed"}}
    inhibited = {**ALERT_JSON, "status": {"inhibitedBy": ["f"], "silencedBy": [], "state": "suppressed"}}
    result = await make_client(httpx.Response(200, json=[ALERT_JSON, silenced, inhibited]), requests).fetch_alerts(
        include_suppressed=True
    )
    assert [(alert.silenced, alert.inhibited) for alert in result] == [(False, False), (True, False), (False, True)]
    assert (requests[0].url.params["silenced"], requests[0].url.params["inhibited"]) == ("true", "true")


async def test_silences() -> None:
    """Active or not, with their matchers; a matcher of an old Alertmanager demands equality."""
    matchers = [
        {"name": "a", "value": "b.*", "isRegex": True, "isEqual": False},
        {"name": "c", "value": "d", "isRegex": False},
    ]
    body = [{"id": "s1", "status": {"state": "active"}, "matchers": matchers, "createdBy": "me"}]
    (result,) = await make_client(httpx.Response(200, json=body), []).fetch_silences()
    assert result == Silence(
        id="s1",
        active=True,
        matchers=(Matcher(name="a", value="b.*", regex=True, equal=False), Matcher(name="c", value="d")),
    )


async def test_firing_an_alert() -> None:
    """It is posted as Prometheus posts one; a refusal raises."""
    requests: list[httpx.Request] = []
    await make_client(httpx.Response(200), requests).post_alert(
        {"alertname": "A"}, {}, starts_at=1768990500.5, ends_at=1768990560.0
    )
    (posted,) = json.loads(requests[0].content)
    assert (posted["startsAt"], posted["endsAt"]) == ("2026-01-21T10:15:00.500000+00:00", "2026-01-21T10:16:00+00:00")
    with pytest.raises(Rejected):
        await make_client(httpx.Response(400, json={}), []).post_alert({"": ""}, {}, starts_at=1.0, ends_at=2.0)
