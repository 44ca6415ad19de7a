"""The fault proxy: each fault as a client and as the server behind it observe it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import pytest

from tests.soak.faults.proxy import (
    CONTENT_LENGTH_PATTERN,
    OVERSIZE_BYTES,
    UNDELIVERED_FAULTS,
    Fault,
    FaultRule,
    HttpProxy,
    TcpProxy,
)

BODY = json.dumps({"done": True, "what": "x" * 200}).encode()
REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


NO_REPLY_FAULTS = (Fault.REPLY_LOST, Fault.TRUNCATE, Fault.GARBAGE, Fault.UNAVAILABLE, Fault.RESET)


@dataclass
class RecordingServer:
    """A server that records the requests; `address` is host:port."""

    address: str = ""
    requests: list[bytes] = field(default_factory=list)
    request_received: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = CONTENT_LENGTH_PATTERN.search(head)
        assert length is not None
        self.requests.append(await reader.readexactly(int(length[1])))
        self.request_received.set()
        writer.write(REPLY)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def running_server() -> AsyncIterator[RecordingServer]:
    """Yield a running server."""
    server = RecordingServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        server.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        yield server


@asynccontextmanager
async def faulty_proxy(fault: Fault, seconds: float = 0.2) -> AsyncIterator[tuple[RecordingServer, HttpProxy, str]]:
    """Yield a server behind a proxy that spoils one request, the proxy and its URL."""
    async with running_server() as server:
        proxy = HttpProxy(server.address)
        async with proxy.listen() as address:
            proxy.rules.append(FaultRule(fault, count=1, seconds=seconds))
            yield server, proxy, f"http://{address}/do"


async def post(url: str, timeout_seconds: float = 5.0) -> httpx.Response:
    """Send one request."""
    async with httpx.AsyncClient(trust_env=False, timeout=timeout_seconds) as client:
        return await client.post(url, content=b"please")


@pytest.mark.parametrize(
    ("fault", "received"),
    [
        (Fault.REFUSE, False),
        (Fault.RESET, False),
        (Fault.DROP, False),
        (Fault.REPLY_LOST, True),
        (Fault.TRUNCATE, True),
    ],
)
async def test_no_reply_comes(fault: Fault, received: bool) -> None:
    """The caller gets a broken connection; the server has received the request or not; the next request passes."""
    async with faulty_proxy(fault) as (server, proxy, url):
        with pytest.raises(httpx.TransportError):
            await post(url)
        assert server.requests == ([b"please"] if received else [])
        assert (await post(url)).content == BODY
        assert proxy.fault_counts == {fault: 1}


@pytest.mark.parametrize("fault", [Fault.DELAY, Fault.DRIP])
async def test_the_reply_comes_slowly(fault: Fault) -> None:
    """The whole reply arrives, with a delay."""
    async with faulty_proxy(fault, 0.3) as (_, _, url):
        started_at = asyncio.get_running_loop().time()
        assert (await post(url)).content == BODY
        assert asyncio.get_running_loop().time() - started_at >= 0.3


async def test_a_late_request_is_executed_after_the_caller_gave_up() -> None:
    """The server receives a delayed request although the caller no longer waits."""
    async with faulty_proxy(Fault.LATE, 0.4) as (server, _, url):
        with pytest.raises(httpx.ReadTimeout):
            await post(url, timeout_seconds=0.1)
        assert server.requests == []
        await asyncio.wait_for(server.request_received.wait(), 5.0)


async def test_replies_that_cannot_be_used() -> None:
    """Garbage is 200 with invalid JSON, oversize 200 with a body of 32 MB, 503 comes with Retry-After."""
    async with faulty_proxy(Fault.GARBAGE) as (server, proxy, url):
        with pytest.raises(ValueError, match=r"."):
            (await post(url)).json()
        proxy.rules = [FaultRule(Fault.OVERSIZE, count=1), FaultRule(Fault.UNAVAILABLE, count=1)]
        assert len((await post(url, 20.0)).content) == OVERSIZE_BYTES
        received = len(server.requests)
        refused = await post(url)
        assert (refused.status_code, refused.headers["Retry-After"], len(server.requests)) == (503, "1", received)


@pytest.mark.parametrize("fault", [None, Fault.DELAY, *NO_REPLY_FAULTS])
async def test_a_reply_is_reported_before_it_is_spoiled(fault: Fault | None) -> None:
    """`on_reply` gets every exchange that reached the server, with request and whole reply."""
    answered: list[tuple[bytes, bytes]] = []
    async with running_server() as server:
        proxy = HttpProxy(server.address)
        proxy.on_reply = lambda request, reply: answered.append((request, reply))
        async with proxy.listen() as address:
            proxy.rules += [FaultRule(fault, count=1, seconds=0.1)] if fault else []
            with suppress(httpx.HTTPError):
                await post(f"http://{address}/do", timeout_seconds=1.0)
    assert [(request.endswith(b"please"), reply.endswith(BODY)) for request, reply in answered] == [(True, True)] * (
        fault not in UNDELIVERED_FAULTS
    )


async def test_rules_choose_by_the_head() -> None:
    """A rule spoils only the requests whose head matches, and the random rule those that no rule matches."""
    async with running_server() as server:
        proxy = HttpProxy(server.address)
        async with proxy.listen() as address:
            proxy.rules.append(FaultRule(Fault.UNAVAILABLE, re.compile(rb"POST /undo")))
            assert (await post(f"http://{address}/do")).status_code == 200
            assert (await post(f"http://{address}/undo")).status_code == 503
            proxy.random_rule = lambda head: FaultRule(Fault.UNAVAILABLE) if b"/do" in head else None
            assert (await post(f"http://{address}/do")).status_code == 503


async def test_open_connections_are_spoiled_too() -> None:
    """A TCP proxy stalls open connections, resumes them, and resets them on demand."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            writer.write(piece)
        writer.close()

    listener = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = TcpProxy(f"127.0.0.1:{listener.sockets[0].getsockname()[1]}")
    async with listener, proxy.listen() as address:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        proxy.set_fault(Fault.DROP)
        writer.write(b"two")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(3), 0.2)
        proxy.clear_fault()
        writer.write(b"go")
        assert await asyncio.wait_for(reader.readexactly(5), 5.0) == b"twogo"
        proxy.set_fault(Fault.RESET)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(1), 5.0)
        writer.close()
