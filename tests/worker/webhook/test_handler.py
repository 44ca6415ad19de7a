"""The alert webhook from the view of a sender."""

import asyncio
import base64
import json
import time
from typing import Any

import httpx
import pytest

from activities.model.errors import ConfigurationError
from tests.support.alert_payloads import make_alert, make_body, make_grafana_payload
from tests.support.webhook_service import AUTHORIZATION_HEADER, WEBHOOK_PATH, WebhookService
from worker.config.schema import AlertRoute
from worker.http import header_timeout, request_body
from worker.http.auth import TokenAuth
from worker.http.service import serve
from worker.webhook import batcher
from worker.webhook.payload import MAX_BODY_BYTES


def make_basic_header(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer new"}, 200),
        ({"authorization": "bearer old"}, 200),
        (make_basic_header("anyone", "new"), 200),
        (make_basic_header("anyone", "old"), 200),
        ({}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "new"}, 401),
        (make_basic_header("new", "wrong"), 401),
        ({"authorization": "Basic %%%"}, 401),
        ({"authorization": "Digest new"}, 401),
    ],
)
async def test_a_post_needs_a_valid_token(headers: dict[str, str], status: int) -> None:
    """Both tokens work as bearer token and as password; other requests have no effect and get a challenge."""
    service = WebhookService()
    reply = await service.post_body(make_body(make_alert()), headers)
    assert (reply.status_code, len(service.list_fingerprints())) == (status, int(status == 200))
    assert ("www-authenticate" in reply.headers) == (status == 401)


async def test_a_rotated_token_takes_effect() -> None:
    """Tokens are read at each post; an unreadable or empty token authorizes no request."""
    token = "a"

    def read() -> str:
        if token == "gone":
            raise ConfigurationError("gone")
        return token

    auth = TokenAuth([read])
    assert auth.is_authorized("Bearer a")
    token = "b"
    assert (auth.is_authorized("Bearer a"), auth.is_authorized("Bearer b")) == (False, True)
    token = "gone"
    assert not auth.is_authorized("Bearer gone")
    token = ""
    assert not auth.is_authorized("Bearer ")


async def test_alerts_are_delivered_before_the_answer() -> None:
    """The answer 200 contains the number of alerts and of new alerts."""
    service = WebhookService()
    reply = await service.post_body(make_body(make_alert(1), make_alert(2)))
    assert (reply.status_code, reply.json()) == (200, {"status": "ok", "alerts": 2, "new": 2})
    assert service.list_fingerprints() == ["0000000000000001", "0000000000000002"]


async def test_repeated_alerts_are_counted_and_not_sent() -> None:
    """Repeated alerts cause no signal."""
    service = WebhookService()
    for _ in range(3):
        reply = await service.post_body(make_body(make_alert(1)))
    assert (reply.json()["new"], len(service.received["first"])) == (0, 1)
    assert (service.read_counter("received", status="firing"), service.read_counter("deduplicated")) == (3, 2)


async def test_a_failed_delivery_is_503_and_records_nothing() -> None:
    """A failed delivery is answered 503 without details, and the next post of the alert is new."""
    service = WebhookService()
    service.is_down = True
    reply = await service.post_body(make_body(make_alert(1)))
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert "Temporal" not in reply.text
    assert service.read_counter("received", status="firing") == 0
    service.is_down = False
    assert (await service.post_body(make_body(make_alert(1)))).json()["new"] == 1


async def test_a_full_queue_rejects_posts_before_parsing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the queue is full, even an invalid body is answered 503, and the log has one line a second."""
    monkeypatch.setattr(batcher, "MAX_PENDING_ALERTS", 50)
    replies = [await WebhookService().post_body(b"{")]
    service = WebhookService()
    replies += [await service.post_body(b"{") for _ in range(20)]
    assert {reply.status_code for reply in replies} == {503}
    assert len([record for record in caplog.records if "rejected" in record.message]) == 2


async def test_alerts_are_routed_to_their_loops() -> None:
    """Each loop gets its alerts, and ignored alerts are counted."""
    routes = (AlertRoute(alert="*", severities=("info",)), AlertRoute(alert="Policy*", to="second"))
    service = WebhookService(routes)
    labels = [{"alertname": "A", "severity": "info"}, {"alertname": "PolicyLoadFailure"}, {"alertname": "B"}]
    reply = await service.post_body(make_body(*(make_alert(n, labels=values) for n, values in enumerate(labels))))
    assert reply.json()["new"] == 2
    assert (service.list_fingerprints("second"), service.list_fingerprints()) == (
        ["0000000000000001"],
        ["0000000000000002"],
    )
    assert service.read_counter("ignored", reason="route") == 1


async def test_truncated_alerts_are_reported_to_the_loop() -> None:
    """The number of truncated alerts reaches the loop, also without new alerts."""
    service = WebhookService()
    for content in (
        make_body(make_alert(1), truncatedAlerts=3),
        make_body(make_alert(1), truncatedAlerts=3),
        make_body(truncatedAlerts=2),
    ):
        assert (await service.post_body(content)).status_code == 200
    assert [batch.omitted for batch in service.received["first"]] == [3, 3, 2]
    assert service.read_counter("ignored", reason="truncated") == 8


@pytest.mark.parametrize(
    ("content", "status", "pointer"),
    [
        (b"{", 400, "/"),
        (make_body(make_alert(startsAt="geheim")), 400, "/alerts/0/startsAt"),
        (make_body(version="geheim"), 400, "/version"),
        (b" " * (MAX_BODY_BYTES + 1), 413, None),
    ],
)
async def test_invalid_posts_have_no_effect(
    content: bytes, status: int, pointer: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is problem+json, with a pointer to an invalid field; the log has a line with the status."""
    service = WebhookService()
    reply = await service.post_body(content)
    problem = reply.json()
    assert (reply.status_code, problem["status"], problem.get("pointer")) == (status, status, pointer)
    assert reply.headers["content-type"] == "application/problem+json"
    assert service.list_fingerprints() == []
    (line,) = [record.getMessage() for record in caplog.records if record.name == "mapek.http"]
    assert f"status {status}: {pointer or ''}" in line


async def test_one_invalid_alert_does_not_refuse_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """The other alerts are delivered, the invalid one counts as omitted, and metric and log name the field."""
    service = WebhookService()
    bad = make_alert(2, startsAt="geheim")
    for _ in range(20):
        reply = await service.post_body(make_body(make_alert(1), bad, make_alert(3, annotations={"a": "x" * 20_000})))
    assert (reply.status_code, reply.json()["alerts"]) == (200, 2)
    assert service.list_fingerprints() == ["0000000000000001", "0000000000000003"]
    assert service.received["first"][0].omitted == 1
    assert service.read_counter("invalid", field="startsAt", remedy="dropped") == 20
    (line,) = [record.getMessage() for record in caplog.records if record.name == "mapek.http"]
    assert "invalid fields: 1, alerts kept: 2, first: /alerts/1/startsAt: a time with its zone is required" in line
    assert "geheim" not in line


async def test_unusable_alerts_are_counted_too() -> None:
    """A payload of invalid alerts alone is answered 400, and the metric counts them."""
    service = WebhookService()
    reply = await service.post_body(make_body(make_alert(status=None), make_alert(fingerprint=None, labels=None)))
    assert (reply.status_code, reply.json()["pointer"]) == (400, "/alerts/0/status")
    assert service.read_counter("invalid", field="status", remedy="dropped") == 1
    assert service.read_counter("invalid", field="fingerprint", remedy="dropped") == 1


async def test_the_alerts_of_grafana_are_delivered() -> None:
    """A post of Grafana Alerting is delivered like one of Alertmanager, whose repeat it may be."""
    service = WebhookService()
    content = json.dumps(make_grafana_payload(make_alert(1), make_alert(2)))
    assert (await service.post_body(content, make_basic_header("grafana", "new"))).json()["new"] == 2
    assert (await service.post_body(make_body(make_alert(1)))).json()["new"] == 0


async def test_a_future_start_does_not_hide_later_firings() -> None:
    """After an alert with a start in the future, a firing with a true start is new."""
    service = WebhookService()
    for start, status, new in [
        ("2999-01-01T00:00:00Z", "firing", 1),
        ("2999-01-01T00:00:00Z", "firing", 0),
        ("2999-01-01T00:00:00Z", "resolved", 1),
        (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3)), "firing", 1),
    ]:
        reply = await service.post_body(make_body(make_alert(1, startsAt=start, status=status)))
        assert reply.json()["new"] == new, start


async def test_a_body_without_length_is_limited_too() -> None:
    """A streamed body is counted while it arrives."""

    async def endless() -> Any:
        while True:
            yield b" " * 65536

    assert (await WebhookService().post_body(endless())).status_code == 413


async def send_pieces(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send pieces with pauses, and return the answer until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_slow_senders_are_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender of no bytes, of single bytes or of half a body is disconnected; other senders are served meanwhile."""
    monkeypatch.setattr(header_timeout, "HEADER_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_SECONDS", 0.3)
    service = WebhookService()
    head = b"POST /webhooks/alerts HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer new\r\nContent-Length: 99\r\n\r\n"
    async with serve(service.app, "127.0.0.1", 0) as port, httpx.AsyncClient(trust_env=False) as client:
        silent, dripping, half, ok = await asyncio.gather(
            send_pieces(port),
            send_pieces(port, *([b"P"] * 20), pause=0.05),
            send_pieces(port, head + b"{"),
            client.post(f"http://127.0.0.1:{port}{WEBHOOK_PATH}", content=make_body(), headers=AUTHORIZATION_HEADER),
        )
        assert (silent, dripping) == (b"", b"")
        assert half.startswith(b"HTTP/1.1 408 ")
        assert ok.status_code == 200


async def test_an_active_connection_is_kept_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consecutive requests share a connection for longer than the header timeout."""
    monkeypatch.setattr(header_timeout, "HEADER_TIMEOUT_SECONDS", 0.2)
    service = WebhookService()
    limits = httpx.Limits(max_connections=1)
    async with serve(service.app, "127.0.0.1", 0) as port, httpx.AsyncClient(trust_env=False, limits=limits) as client:
        for number in range(3):
            reply = await client.post(
                f"http://127.0.0.1:{port}{WEBHOOK_PATH}",
                content=make_body(make_alert(number)),
                headers=AUTHORIZATION_HEADER,
            )
            assert reply.status_code == 200
            await asyncio.sleep(0.25)


async def test_other_methods_are_refused() -> None:
    """GET is answered 405."""
    transport = httpx.ASGITransport(WebhookService().app)
    async with httpx.AsyncClient(transport=transport, base_url="http://mapek") as client:
        assert (await client.get(WEBHOOK_PATH)).status_code == 405


async def test_links_in_a_payload_are_not_fetched() -> None:
    """The target of a link in a payload gets no request."""
    requests: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    link = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    content = json.loads(
        make_body(make_alert(1, generatorURL=link, annotations={"runbook_url": link}), externalURL=link)
    )
    assert (await WebhookService().post_body(json.dumps(content))).status_code == 200
    await asyncio.sleep(0.1)
    server.close()
    assert requests == []


async def test_unauthorized_requests_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Invalid HTTP is answered 400 and a post without token 401; neither is logged."""
    async with serve(WebhookService().app, "127.0.0.1", 0) as port:
        assert (await send_pieces(port, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        head = b"POST /webhooks/alerts HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        assert (await send_pieces(port, head)).startswith(b"HTTP/1.1 401 ")
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "mapek"))] == []
