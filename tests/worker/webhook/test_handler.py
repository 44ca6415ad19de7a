"""The door for alerts as a sender sees it."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from activities.model.errors import ConfigurationError
from tests.support.alert_payloads import make_alert, make_body
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
async def test_who_may_post(headers: dict[str, str], status: int) -> None:
    """Either of two live tokens, as bearer or as password; anybody else has no effect and learns the ways in."""
    world = WebhookService()
    reply = await world.post_body(make_body(make_alert()), headers)
    assert (reply.status_code, len(world.list_fingerprints())) == (status, int(status == 200))
    assert ("www-authenticate" in reply.headers) == (status == 401)


async def test_a_rotated_token_is_taken_up() -> None:
    """Tokens are read at each POST; one that cannot be read, or is empty, admits nobody."""
    token = "a"

    def read() -> str:
        if token == "gone":
            raise ConfigurationError("gone")
        return token

    gate = TokenAuth([read])
    assert gate.is_authorized("Bearer a")
    token = "b"
    assert (gate.is_authorized("Bearer a"), gate.is_authorized("Bearer b")) == (False, True)
    token = "gone"
    assert not gate.is_authorized("Bearer gone")
    token = ""
    assert not gate.is_authorized("Bearer ")


async def test_told_before_answered() -> None:
    """200 says how many alerts came and how many were news."""
    world = WebhookService()
    reply = await world.post_body(make_body(make_alert(1), make_alert(2)))
    assert (reply.status_code, reply.json()) == (200, {"status": "ok", "alerts": 2, "new": 2})
    assert world.list_fingerprints() == ["0000000000000001", "0000000000000002"]


async def test_repeats_are_counted_and_not_told() -> None:
    """The same alerts again cost no signal."""
    world = WebhookService()
    for _ in range(3):
        reply = await world.post_body(make_body(make_alert(1)))
    assert (reply.json()["new"], len(world.received["first"])) == (0, 1)
    assert (world.read_counter("received", status="firing"), world.read_counter("deduplicated")) == (3, 2)


async def test_trouble_is_503_and_nothing_is_noted() -> None:
    """When the hand-over fails the sender has to come again, learns nothing of us, and then it counts as news."""
    world = WebhookService()
    world.is_down = True
    reply = await world.post_body(make_body(make_alert(1)))
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert "Temporal" not in reply.text
    assert world.read_counter("received", status="firing") == 0
    world.is_down = False
    assert (await world.post_body(make_body(make_alert(1)))).json()["new"] == 1


async def test_a_flood_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While as many alerts wait as there is room for, even nonsense is answered 503, and the log says so once."""
    monkeypatch.setattr(batcher, "MAX_PENDING_ALERTS", 50)
    replies = [await WebhookService().post_body(b"{")]
    world = WebhookService()
    replies += [await world.post_body(b"{") for _ in range(20)]
    assert {reply.status_code for reply in replies} == {503}
    assert len([record for record in caplog.records if "not taken" in record.message]) == 2


async def test_routes() -> None:
    """Each loop gets its own, ignored ones are counted, resolved ones go the same way."""
    routes = (AlertRoute(alert="*", severities=("info",)), AlertRoute(alert="Policy*", to="second"))
    world = WebhookService(routes)
    labels = [{"alertname": "A", "severity": "info"}, {"alertname": "PolicyLoadFailure"}, {"alertname": "B"}]
    reply = await world.post_body(make_body(*(make_alert(n, labels=one) for n, one in enumerate(labels))))
    assert reply.json()["new"] == 2
    assert (world.list_fingerprints("second"), world.list_fingerprints()) == (
        ["0000000000000001"],
        ["0000000000000002"],
    )
    assert world.read_counter("ignored", reason="route") == 1


async def test_truncated() -> None:
    """What the sender left out is told to the loop, also when all the rest is known or there is none."""
    world = WebhookService()
    for content in (
        make_body(make_alert(1), truncatedAlerts=3),
        make_body(make_alert(1), truncatedAlerts=3),
        make_body(truncatedAlerts=2),
    ):
        assert (await world.post_body(content)).status_code == 200
    assert [batch.omitted for batch in world.received["first"]] == [3, 3, 2]
    assert world.read_counter("ignored", reason="truncated") == 8


@pytest.mark.parametrize(
    ("content", "status", "pointer"),
    [
        (b"{", 400, "/"),
        (make_body(make_alert(fingerprint=None)), 400, "/alerts/0/fingerprint"),
        (b" " * (MAX_BODY_BYTES + 1), 413, None),
    ],
)
async def test_mistakes_have_no_effect(content: bytes, status: int, pointer: str | None) -> None:
    """They are answered as problem+json, with a pointer where there is a place."""
    world = WebhookService()
    reply = await world.post_body(content)
    problem = reply.json()
    assert (reply.status_code, problem["status"], problem.get("pointer")) == (status, status, pointer)
    assert reply.headers["content-type"] == "application/problem+json"
    assert world.list_fingerprints() == []


async def test_a_body_without_length_is_bounded_too() -> None:
    """What is streamed is counted as it comes."""

    async def endless() -> Any:
        while True:
            yield b" " * 65536

    assert (await WebhookService().post_body(endless())).status_code == 413


async def send_pieces(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send pieces with pauses, and return all that comes back until the other side closes."""
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


async def test_slow_senders_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends nothing, a head byte by byte, or half a body is cut off, and others are served meanwhile."""
    monkeypatch.setattr(header_timeout, "HEADER_TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(request_body, "BODY_TIMEOUT_SECONDS", 0.3)
    world = WebhookService()
    head = b"POST /webhooks/alerts HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer new\r\nContent-Length: 99\r\n\r\n"
    async with serve(world.app, "127.0.0.1", 0) as port, httpx.AsyncClient(trust_env=False) as client:
        silent, dripping, half, ok = await asyncio.gather(
            send_pieces(port),
            send_pieces(port, *([b"P"] * 20), pause=0.05),
            send_pieces(port, head + b"{"),
            client.post(f"http://127.0.0.1:{port}{WEBHOOK_PATH}", content=make_body(), headers=AUTHORIZATION_HEADER),
        )
        assert (silent, dripping) == (b"", b"")
        assert half.startswith(b"HTTP/1.1 408 ")
        assert ok.status_code == 200


async def test_a_connection_that_is_used_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests one after the other share a connection, also beyond the time a head may take."""
    monkeypatch.setattr(header_timeout, "HEADER_TIMEOUT_SECONDS", 0.2)
    world = WebhookService()
    one = httpx.Limits(max_connections=1)
    async with serve(world.app, "127.0.0.1", 0) as port, httpx.AsyncClient(trust_env=False, limits=one) as client:
        for number in range(3):
            reply = await client.post(
                f"http://127.0.0.1:{port}{WEBHOOK_PATH}",
                content=make_body(make_alert(number)),
                headers=AUTHORIZATION_HEADER,
            )
            assert reply.status_code == 200
            await asyncio.sleep(0.25)


async def test_only_post() -> None:
    """Other methods are refused."""
    transport = httpx.ASGITransport(WebhookService().app)
    async with httpx.AsyncClient(transport=transport, base_url="http://mapek") as client:
        assert (await client.get(WEBHOOK_PATH)).status_code == 405


async def test_nothing_in_a_payload_is_fetched() -> None:
    """A link in a payload sees no request."""
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    link = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    content = json.loads(
        make_body(make_alert(1, generatorURL=link, annotations={"runbook_url": link}), externalURL=link)
    )
    assert (await WebhookService().post_body(json.dumps(content))).status_code == 200
    await asyncio.sleep(0.1)
    server.close()
    assert asked == []


async def test_strangers_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What is no HTTP is answered 400, what is not let in 401, and neither leaves a line."""
    async with serve(WebhookService().app, "127.0.0.1", 0) as port:
        assert (await send_pieces(port, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        head = b"POST /webhooks/alerts HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        assert (await send_pieces(port, head)).startswith(b"HTTP/1.1 401 ")
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "mapek"))] == []
