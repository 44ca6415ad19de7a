"""What each failure of HTTP means, for a read and for a change."""

import asyncio
import email.utils
import gzip
import inspect
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from activities.clients.http import LIBRARY_ERRORS, HttpClient, map_change_error, map_read_error
from activities.clients.http_messages import MAX_RETRY_AFTER_SECONDS, Request, Response, encode_body, parse_retry_after
from activities.model.errors import (
    Ambiguous,
    ConfigurationError,
    InFlight,
    InvalidResponse,
    MapekError,
    NotFound,
    Overloaded,
    Rejected,
    Stale,
    Superseded,
    Unauthorized,
    Unreachable,
)

ConnectionHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
StartServer = Callable[[ConnectionHandler], Awaitable[str]]


class SizedReply(BaseModel):
    size: int


SIZED_SCHEMA = TypeAdapter(SizedReply)
JSON_SCHEMA = TypeAdapter(Any)
READ_REQUEST = Request("GET", "http://somewhere:1/thing", timeout=0.3)
CHANGE_REQUEST = Request("POST", "http://somewhere:1/thing", content=b"{}", timeout=0.3)
HTTPX_ERRORS = [
    cls for _, cls in inspect.getmembers(httpx, inspect.isclass) if issubclass(cls, Exception) and cls is not Exception
]


def make_error(cls: type[Exception]) -> Exception:
    request = httpx.Request("GET", "http://somewhere/")
    if issubclass(cls, httpx.HTTPStatusError):
        return cls("text", request=request, response=httpx.Response(500, request=request))
    return cls("text") if "message" in inspect.signature(cls.__init__).parameters else cls()


def make_client(reply: httpx.Response | Exception) -> HttpClient:
    def handler(_: httpx.Request) -> httpx.Response:
        if isinstance(reply, Exception):
            raise reply
        return reply

    return HttpClient(httpx.MockTransport(handler))


async def send_and_catch(http: HttpClient, request: Request, schema: TypeAdapter[Any] = SIZED_SCHEMA) -> MapekError:
    call = http.read if request.method == "GET" else http.change
    with pytest.raises(MapekError) as caught:
        await call(request, schema)
    return caught.value


def test_every_httpx_exception_is_known() -> None:
    """No exception class of httpx escapes the mapping, now or after an upgrade."""
    assert len(HTTPX_ERRORS) > 20
    assert [cls for cls in HTTPX_ERRORS if not issubclass(cls, LIBRARY_ERRORS)] == []


@pytest.mark.parametrize("cls", HTTPX_ERRORS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("request_", [READ_REQUEST, CHANGE_REQUEST], ids=["read", "change"])
async def test_every_httpx_exception_becomes_ours(cls: type[Exception], request_: Request) -> None:
    """Every error of httpx becomes a member of the error family."""
    assert isinstance(await send_and_catch(make_client(make_error(cls)), request_), MapekError)


@pytest.mark.parametrize(
    ("cls", "read", "change"),
    [
        (httpx.ConnectError, Unreachable, Unreachable),
        (httpx.ConnectTimeout, Unreachable, Unreachable),
        (httpx.PoolTimeout, Unreachable, Unreachable),
        (httpx.ReadTimeout, Unreachable, Ambiguous),
        (httpx.WriteTimeout, Unreachable, Ambiguous),
        (httpx.ReadError, Unreachable, Ambiguous),
        (httpx.WriteError, Unreachable, Ambiguous),
        (httpx.CloseError, Unreachable, Ambiguous),
        (httpx.RemoteProtocolError, Unreachable, Ambiguous),
        (httpx.LocalProtocolError, Unreachable, Ambiguous),
        (httpx.DecodingError, InvalidResponse, Ambiguous),
        (httpx.UnsupportedProtocol, ConfigurationError, ConfigurationError),
        (httpx.InvalidURL, ConfigurationError, ConfigurationError),
        (OSError, Unreachable, Ambiguous),
        (TimeoutError, Unreachable, Ambiguous),
    ],
)
def test_a_broken_exchange(cls: type[Exception], read: type[MapekError], change: type[MapekError]) -> None:
    """A read that breaks changed nothing; a change that breaks after sending began is ambiguous."""
    assert type(map_read_error(make_error(cls), READ_REQUEST)) is read
    assert type(map_change_error(make_error(cls), CHANGE_REQUEST)) is change


@pytest.mark.parametrize(
    ("status", "headers", "read", "change"),
    [
        (301, {"Location": "http://elsewhere/"}, InvalidResponse, Ambiguous),
        (400, {}, Rejected, Rejected),
        (401, {}, Unauthorized, Unauthorized),
        (403, {}, Unauthorized, Unauthorized),
        (404, {}, NotFound, NotFound),
        (405, {}, Rejected, Rejected),
        (408, {}, InvalidResponse, Ambiguous),
        (409, {}, Superseded, Superseded),
        (409, {"Retry-After": "2"}, InFlight, InFlight),
        (412, {}, Stale, Stale),
        (422, {}, Rejected, Rejected),
        (429, {"Retry-After": "2"}, Overloaded, Overloaded),
        (500, {}, Unreachable, Ambiguous),
        (502, {}, Unreachable, Ambiguous),
        (503, {"Retry-After": "2"}, Overloaded, Overloaded),
        (504, {}, Unreachable, Ambiguous),
    ],
)
async def test_a_status(status: int, headers: dict[str, str], read: type[MapekError], change: type[MapekError]) -> None:
    """A status means the same everywhere; one that leaves a change open is ambiguous."""
    reply = httpx.Response(status, headers=headers, json={"title": "no", "detail": "because"})
    for request, expected in ((READ_REQUEST, read), (CHANGE_REQUEST, change)):
        error = await send_and_catch(make_client(reply), request)
        assert type(error) is expected
        assert str(error) == f"{request.method} /thing: {status} no: because"
        if isinstance(error, InFlight | Overloaded):
            assert error.retry_after == 2.0


@pytest.mark.parametrize(
    ("body", "etag", "expected"),
    [
        ({"generation": 7}, "", 7),
        ({}, '"9"', 9),
        ({"generation": 7}, '"9"', 7),
        ({"generation": "7"}, 'W/"3"', 3),
        ({"generation": True}, "", None),
        ([], "rubbish", None),
    ],
)
async def test_a_stale_knob_has_its_generation(body: object, etag: str, expected: int | None) -> None:
    """The generation of a 412 is in its body or its ETag, and is never guessed."""
    error = await send_and_catch(make_client(httpx.Response(412, headers={"ETag": etag}, json=body)), CHANGE_REQUEST)
    assert isinstance(error, Stale)
    assert error.generation == expected


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, content=b"not JSON"),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b'{"size": "3"}'),
        httpx.Response(200, content=b"{}"),
        httpx.Response(200, content=b"[" * 5000 + b"]" * 5000),
        httpx.Response(200, content=b"\xff\xfe{}"),
        httpx.Response(200, content=b'{"size": ' + b" " * READ_REQUEST.max_bytes + b"1}"),
    ],
    ids=["words", "empty", "text for a number", "field missing", "deep", "not UTF-8", "too long"],
)
async def test_a_reply_that_cannot_be_used(reply: httpx.Response) -> None:
    """A 2xx that is not what the contract says is unreadable, and for a change ambiguous."""
    assert type(await send_and_catch(make_client(reply), READ_REQUEST)) is InvalidResponse
    assert type(await send_and_catch(make_client(reply), CHANGE_REQUEST)) is Ambiguous


async def test_depth_is_capped_for_any_shape() -> None:
    """JSON of 300 levels is refused although any value would do."""
    deep = httpx.Response(200, content=b"[" * 300 + b"]" * 300)
    assert type(await send_and_catch(make_client(deep), READ_REQUEST, JSON_SCHEMA)) is InvalidResponse


async def test_a_compressed_body_is_never_unfolded() -> None:
    """A body compressed without being asked for is refused before it is unfolded."""

    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Folded())

    class Folded(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield gzip.compress(b'{"size": 1}')

    assert type(await send_and_catch(HttpClient(httpx.MockTransport(handler)), READ_REQUEST)) is InvalidResponse


@given(st.binary(max_size=200), st.sampled_from([200, 400, 409, 412, 500, 503]))
@settings(max_examples=100, deadline=None)
def test_no_bytes_break_out_of_the_family(body: bytes, status: int) -> None:
    """Any body with any status is a value or a member of the family."""

    async def calls() -> tuple[object, object]:
        http = make_client(httpx.Response(status, content=body))
        return await asyncio.gather(
            http.read(READ_REQUEST, SIZED_SCHEMA), http.change(CHANGE_REQUEST, SIZED_SCHEMA), return_exceptions=True
        )

    for result in asyncio.run(calls()):
        assert isinstance(result, SizedReply | Response | MapekError)
        assert not isinstance(result, MapekError) or (str(result).isprintable() and len(str(result)) < 400)


async def test_a_message_holds_no_credential() -> None:
    """A remote that quotes the credential back does not get it into a message."""
    request = Request("POST", "http://me:pw@somewhere:1/thing?q=1", headers={"Authorization": "Bearer canary-7f3"})
    quoting = httpx.Response(400, json={"detail": "what is Authorization: Bearer canary-7f3?"})
    for error in (
        await send_and_catch(make_client(quoting), request),
        map_change_error(httpx.ConnectError("canary-7f3"), request),
    ):
        assert "canary" not in str(error)
        assert "pw" not in str(error)
        assert "q=1" not in str(error)
    assert "canary" not in repr(request)


async def test_a_refused_connection_was_never_sent(http_client: HttpClient) -> None:
    """Without a listener even a change was certainly not sent."""
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    for method in ("GET", "POST"):
        error = await send_and_catch(http_client, Request(method, f"http://127.0.0.1:{port}/x"))
        assert type(error) is Unreachable
        assert f"127.0.0.1:{port}" in str(error)


async def test_an_unknown_host_was_never_sent(http_client: HttpClient) -> None:
    """A host without an address is unreachable, also for a change."""
    assert (
        type(await send_and_catch(http_client, Request("POST", "http://no-such-host.invalid/x", timeout=5.0)))
        is Unreachable
    )


async def test_tls_that_fails_was_never_sent(http_client: HttpClient, start_server: StartServer) -> None:
    """A port that does not speak TLS is unreachable, also for a change."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")

    url = (await start_server(answer)).replace("http:", "https:")
    assert type(await send_and_catch(http_client, Request("POST", f"{url}/x"))) is Unreachable


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"rubbish\r\n\r\n"])
async def test_a_connection_cut_after_the_request(
    http_client: HttpClient, start_server: StartServer, sent: bytes
) -> None:
    """A connection that ends too early leaves a change ambiguous."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()

    url = await start_server(answer)
    assert type(await send_and_catch(http_client, Request("GET", f"{url}/x"))) is Unreachable
    assert type(await send_and_catch(http_client, Request("POST", f"{url}/x", content=b""))) is Ambiguous


async def test_silence_ends_at_the_deadline(http_client: HttpClient, start_server: StartServer) -> None:
    """A server that never answers costs the time-out and no more."""

    async def answer(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass

    url = await start_server(answer)
    began = time.monotonic()
    assert type(await send_and_catch(http_client, Request("GET", f"{url}/x", timeout=0.2))) is Unreachable
    assert type(await send_and_catch(http_client, Request("POST", f"{url}/x", timeout=0.2))) is Ambiguous
    assert time.monotonic() - began < 3.0


async def test_a_slow_drip_ends_at_the_deadline(http_client: HttpClient, start_server: StartServer) -> None:
    """A body that trickles in for ever is cut off at the deadline: each byte does not buy more time."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    url = await start_server(answer)
    began = time.monotonic()
    assert type(await send_and_catch(http_client, Request("GET", f"{url}/x", timeout=0.3))) is InvalidResponse
    assert type(await send_and_catch(http_client, Request("POST", f"{url}/x", timeout=0.3))) is Ambiguous
    assert time.monotonic() - began < 3.0


async def test_an_endless_body_is_cut_at_the_cap(http_client: HttpClient, start_server: StartServer) -> None:
    """A body without end is given up at the cap; a refusal with one still means its status."""
    status = [b"200 OK", b"422 No"]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status.pop(0) + b"\r\nContent-Length: 999999999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" " * 65536)
            await writer.drain()

    url = await start_server(answer)
    assert type(await send_and_catch(http_client, Request("GET", f"{url}/x", max_bytes=1 << 20))) is InvalidResponse
    assert type(await send_and_catch(http_client, Request("POST", f"{url}/x"))) is Rejected


async def test_one_connection_serves_many_calls_and_no_proxy_is_asked(
    http_client: HttpClient, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls share a connection, and a proxy in the environment is not used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    connections = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"size":3}')
            await writer.drain()

    url = await start_server(answer)
    for _ in range(5):
        assert (await http_client.read(Request("GET", f"{url}/x"), SIZED_SCHEMA)).value.size == 3
    assert len(connections) == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("5", 5.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("999999", MAX_RETRY_AFTER_SECONDS),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after(header: str | None, expected: float | None) -> None:
    """Seconds and dates are parsed, other text is unknown, and days are limited."""
    assert parse_retry_after(header) == expected


def test_retry_after_as_a_date() -> None:
    """A date means the seconds from now until then."""
    assert parse_retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60.0, abs=2.0)


@given(st.text())
def test_retry_after_takes_anything(header: str) -> None:
    """No header breaks the reading of the delay."""
    delay = parse_retry_after(header)
    assert delay is None or 0.0 <= delay <= MAX_RETRY_AFTER_SECONDS


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)))
def test_equal_values_have_equal_bytes(value: dict[str, object]) -> None:
    """The order in which a body was put together does not show in its bytes."""
    assert encode_body(dict(reversed(value.items()))) == encode_body(value)
    assert json.loads(encode_body(value)) == value


def test_what_json_does_not_have_is_refused() -> None:
    """NaN never reaches the wire."""
    with pytest.raises(Rejected):
        encode_body({"x": float("nan")})
