"""The door for alerts as a sender sees it."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from activities.model.errors import ConfigurationError
from tests.support.alert_payloads import alert, body
from tests.support.webhook_service import BEARER, PATH, World
from worker.config.schema import AlertRoute
from worker.http import header_timeout
from worker.http.auth import Gate
from worker.http.service import serve
from worker.webhook import batcher, handler
from worker.webhook.payload import MAX_BYTES


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer new"}, 200),
        ({"authorization": "bearer old"}, 200),
        (basic("anyone", "new"), 200),
        (basic("anyone", "old"), 200),
        ({}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "new"}, 401),
        (basic("new", "wrong"), 401),
        ({"authorization": "Basic %%%"}, 401),
        ({"authorization": "Digest new"}, 401),
    ],
)
async def test_who_may_post(headers: dict[str, str], status: int) -> None:
    """Either of two live tokens, as bearer or as password; anybody else has no effect and learns the ways in."""
    world = World()
    reply = await world.post(body(alert()), headers)
    assert (reply.status_code, len(world.fingerprints())) == (status, int(status == 200))
    assert ("www-authenticate" in reply.headers) == (status == 401)


async def test_a_rotated_token_is_taken_up() -> None:
    """Tokens are read at each POST; one that cannot be read, or is empty, admits nobody."""
    token = "a"

    def read() -> str:
        if token == "gone":
            raise ConfigurationError("gone")
        return token

    gate = Gate([read])
    assert gate.admits("Bearer a")
    token = "b"
    assert (gate.admits("Bearer a"), gate.admits("Bearer b")) == (False, True)
    token = "gone"
    assert not gate.admits("Bearer gone")
    token = ""
    assert not gate.admits("Bearer ")


async def test_told_before_answered() -> None:
    """200 says how many alerts came and how many were news."""
    world = World()
    reply = await world.post(body(alert(1), alert(2)))
    assert (reply.status_code, reply.json()) == (200, {"status": "ok", "alerts": 2, "new": 2})
    assert world.fingerprints() == ["0000000000000001", "0000000000000002"]


async def test_repeats_are_counted_and_not_told() -> None:
    """The same alerts again cost no signal."""
    world = World()
    for _ in range(3):
        reply = await world.post(body(alert(1)))
    assert (reply.json()["new"], len(world.told["first"])) == (0, 1)
    assert (world.counted("received", status="firing"), world.counted("deduplicated")) == (3, 2)


async def test_trouble_is_503_and_nothing_is_noted() -> None:
    """When the hand-over fails the sender has to come again, learns nothing of us, and then it counts as news."""
    world = World()
    world.down = True
    reply = await world.post(body(alert(1)))
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert "Temporal" not in reply.text
    assert world.counted("received", status="firing") == 0
    world.down = False
    assert (await world.post(body(alert(1)))).json()["new"] == 1


async def test_a_flood_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While as many alerts wait as there is room for, even nonsense is answered 503, and the log says so once."""
    monkeypatch.setattr(batcher, "ROOM", 50)
    replies = [await World().post(b"{")]
    world = World()
    replies += [await world.post(b"{") for _ in range(20)]
    assert {reply.status_code for reply in replies} == {503}
    assert len([record for record in caplog.records if "not taken" in record.message]) == 2


async def test_routes() -> None:
    """Each loop gets its own, ignored ones are counted, resolved ones go the same way."""
    routes = (AlertRoute(alert="*", severities=("info",)), AlertRoute(alert="Policy*", to="second"))
    world = World(routes)
    labels = [{"alertname": "A", "severity": "info"}, {"alertname": "PolicyLoadFailure"}, {"alertname": "B"}]
    reply = await world.post(body(*(alert(n, labels=one) for n, one in enumerate(labels))))
    assert reply.json()["new"] == 2
    assert (world.fingerprints("second"), world.fingerprints()) == (["0000000000000001"], ["0000000000000002"])
    assert world.counted("ignored", reason="route") == 1


async def test_truncated() -> None:
    """What the sender left out is told to the loop, also when all the rest is known or there is none."""
    world = World()
    for content in (body(alert(1), truncatedAlerts=3), body(alert(1), truncatedAlerts=3), body(truncatedAlerts=2)):
        assert (await world.post(content)).status_code == 200
    assert [batch.left_out for batch in world.told["first"]] == [3, 3, 2]
    assert world.counted("ignored", reason="truncated") == 8


@pytest.mark.parametrize(
    ("content", "status", "pointer"),
    [
        (b"{", 400, "/"),
        (body(alert(fingerprint=None)), 400, "/alerts/0/fingerprint"),
        (b" " * (MAX_BYTES + 1), 413, None),
    ],
)
async def test_mistakes_have_no_effect(content: bytes, status: int, pointer: str | None) -> None:
    """They are answered as problem+json, with a pointer where there is a place."""
    world = World()
    reply = await world.post(content)
    problem = reply.json()
    assert (reply.status_code, problem["status"], problem.get("pointer")) == (status, status, pointer)
    assert reply.headers["content-type"] == "application/problem+json"
    assert world.fingerprints() == []


async def test_a_body_without_length_is_bounded_too() -> None:
    """What is streamed is counted as it comes."""

    async def endless() -> Any:
        while True:
            yield b" " * 65536

    assert (await World().post(endless())).status_code == 413


async def exchange(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
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
    monkeypatch.setattr(header_timeout, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(handler, "BODY_SECONDS", 0.3)
    world = World()
    head = b"POST /webhooks/alerts HTTP/1.1\r\nHost: m\r\nAuthorization: Bearer new\r\nContent-Length: 99\r\n\r\n"
    async with serve(world.app, "127.0.0.1", 0) as port, httpx.AsyncClient(trust_env=False) as client:
        silent, dripping, half, ok = await asyncio.gather(
            exchange(port),
            exchange(port, *([b"P"] * 20), pause=0.05),
            exchange(port, head + b"{"),
            client.post(f"http://127.0.0.1:{port}{PATH}", content=body(), headers=BEARER),
        )
        assert (silent, dripping) == (b"", b"")
        assert half.startswith(b"HTTP/1.1 408 ")
        assert ok.status_code == 200


async def test_a_connection_that_is_used_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests one after the other share a connection, also beyond the time a head may take."""
    monkeypatch.setattr(header_timeout, "HEAD_SECONDS", 0.2)
    world = World()
    one = httpx.Limits(max_connections=1)
    async with serve(world.app, "127.0.0.1", 0) as port, httpx.AsyncClient(trust_env=False, limits=one) as client:
        for number in range(3):
            reply = await client.post(f"http://127.0.0.1:{port}{PATH}", content=body(alert(number)), headers=BEARER)
            assert reply.status_code == 200
            await asyncio.sleep(0.25)


async def test_only_post() -> None:
    """Other methods are refused."""
    transport = httpx.ASGITransport(World().app)
    async with httpx.AsyncClient(transport=transport, base_url="http://mapek") as client:
        assert (await client.get(PATH)).status_code == 405


async def test_nothing_in_a_payload_is_fetched() -> None:
    """A link in a payload sees no request."""
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    link = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    content = json.loads(body(alert(1, generatorURL=link, annotations={"runbook_url": link}), externalURL=link))
    assert (await World().post(json.dumps(content))).status_code == 200
    await asyncio.sleep(0.1)
    server.close()
    assert asked == []


async def test_strangers_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """What is no HTTP is answered 400, what is not let in 401, and neither leaves a line."""
    async with serve(World().app, "127.0.0.1", 0) as port:
        assert (await exchange(port, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
        head = b"POST /webhooks/alerts HTTP/1.1\r\nHost: m\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        assert (await exchange(port, head)).startswith(b"HTTP/1.1 401 ")
    assert [record for record in caplog.records if record.name.startswith(("uvicorn", "mapek"))] == []
