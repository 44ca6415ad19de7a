"""What each failure of HTTP means, for a read and for a change."""

import asyncio
import email.utils
import gzip
import inspect
import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from activities.clients.http import FOREIGN, Http, of_change, of_read
from activities.clients.request import LONGEST_DELAY, Reply, Request, json_bytes, retry_after
from activities.model.errors import (
    Ambiguous,
    ConfigurationError,
    InFlight,
    MapekError,
    NotFound,
    Overloaded,
    Rejected,
    Stale,
    Superseded,
    Unauthorized,
    Unreachable,
    Unreadable,
)


class Thing(BaseModel):
    size: int


THING = TypeAdapter(Thing)
JSON = TypeAdapter(Any)
READ = Request("GET", "http://somewhere:1/thing", timeout=0.3)
CHANGE = Request("POST", "http://somewhere:1/thing", content=b"{}", timeout=0.3)
HTTPX_ERRORS = [
    cls for _, cls in inspect.getmembers(httpx, inspect.isclass) if issubclass(cls, Exception) and cls is not Exception
]


def made(cls: type[Exception]) -> Exception:
    request = httpx.Request("GET", "http://somewhere/")
    if issubclass(cls, httpx.HTTPStatusError):
        return cls("text", request=request, response=httpx.Response(500, request=request))
    return cls("text") if "message" in inspect.signature(cls.__init__).parameters else cls()


def answering(reply: httpx.Response | Exception) -> Http:
    def handler(_: httpx.Request) -> httpx.Response:
        if isinstance(reply, Exception):
            raise reply
        return reply

    return Http(httpx.MockTransport(handler))


async def outcome(http: Http, request: Request, shape: TypeAdapter[Any] = THING) -> MapekError:
    call = http.read if request.method == "GET" else http.change
    with pytest.raises(MapekError) as caught:
        await call(request, shape)
    return caught.value


def test_every_httpx_exception_is_known():
    """No exception class of httpx escapes the mapping, now or after an upgrade."""
    assert len(HTTPX_ERRORS) > 20
    assert [cls for cls in HTTPX_ERRORS if not issubclass(cls, FOREIGN)] == []


@pytest.mark.parametrize("cls", HTTPX_ERRORS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("request_", [READ, CHANGE], ids=["read", "change"])
async def test_every_httpx_exception_becomes_ours(cls: type[Exception], request_: Request):
    """Whatever httpx raises arrives as a member of the error family."""
    assert isinstance(await outcome(answering(made(cls)), request_), MapekError)


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
        (httpx.DecodingError, Unreadable, Ambiguous),
        (httpx.UnsupportedProtocol, ConfigurationError, ConfigurationError),
        (httpx.InvalidURL, ConfigurationError, ConfigurationError),
        (OSError, Unreachable, Ambiguous),
        (TimeoutError, Unreachable, Ambiguous),
    ],
)
def test_a_broken_exchange(cls: type[Exception], read: type[MapekError], change: type[MapekError]):
    """A read that breaks changed nothing; a change that breaks after sending began is ambiguous."""
    assert type(of_read(made(cls), READ)) is read
    assert type(of_change(made(cls), CHANGE)) is change


@pytest.mark.parametrize(
    ("status", "headers", "read", "change"),
    [
        (301, {"Location": "http://elsewhere/"}, Unreadable, Ambiguous),
        (400, {}, Rejected, Rejected),
        (401, {}, Unauthorized, Unauthorized),
        (403, {}, Unauthorized, Unauthorized),
        (404, {}, NotFound, NotFound),
        (405, {}, Rejected, Rejected),
        (408, {}, Unreadable, Ambiguous),
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
async def test_a_status(status: int, headers: dict[str, str], read: type[MapekError], change: type[MapekError]):
    """A status means the same everywhere; one that leaves a change open is ambiguous."""
    reply = httpx.Response(status, headers=headers, json={"title": "no", "detail": "because"})
    for request, expected in ((READ, read), (CHANGE, change)):
        error = await outcome(answering(reply), request)
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
async def test_where_a_stale_knob_stands(body: object, etag: str, expected: int | None):
    """412 tells the knob's generation in its body or its ETag, and nothing is guessed."""
    error = await outcome(answering(httpx.Response(412, headers={"ETag": etag}, json=body)), CHANGE)
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
        httpx.Response(200, content=b'{"size": ' + b" " * READ.max_bytes + b"1}"),
    ],
    ids=["words", "empty", "text for a number", "field missing", "deep", "not UTF-8", "too long"],
)
async def test_a_reply_that_cannot_be_used(reply: httpx.Response):
    """A 2xx that is not what the contract says is unreadable, and for a change ambiguous."""
    assert type(await outcome(answering(reply), READ)) is Unreadable
    assert type(await outcome(answering(reply), CHANGE)) is Ambiguous


async def test_depth_is_capped_for_any_shape():
    """JSON of 300 levels is refused although any value would do."""
    deep = httpx.Response(200, content=b"[" * 300 + b"]" * 300)
    assert type(await outcome(answering(deep), READ, JSON)) is Unreadable


async def test_a_compressed_body_is_never_unfolded():
    """A body compressed without being asked for is refused before it is unfolded."""

    def handler(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Folded())

    class Folded(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield gzip.compress(b'{"size": 1}')

    assert type(await outcome(Http(httpx.MockTransport(handler)), READ)) is Unreadable


@given(st.binary(max_size=200), st.sampled_from([200, 400, 409, 412, 500, 503]))
@settings(max_examples=100, deadline=None)
def test_no_bytes_break_out_of_the_family(body: bytes, status: int):
    """Any body with any status is a value or a member of the family."""

    async def calls() -> list[BaseException | object]:
        http = answering(httpx.Response(status, content=body))
        return await asyncio.gather(http.read(READ, THING), http.change(CHANGE, THING), return_exceptions=True)

    for result in asyncio.run(calls()):
        assert isinstance(result, Thing | Reply | MapekError)
        assert not isinstance(result, MapekError) or (str(result).isprintable() and len(str(result)) < 400)


async def test_a_message_holds_no_credential():
    """A remote that quotes the credential back does not get it into a message."""
    request = Request("POST", "http://me:pw@somewhere:1/thing?q=1", headers={"Authorization": "Bearer canary-7f3"})
    quoting = httpx.Response(400, json={"detail": "what is Authorization: Bearer canary-7f3?"})
    for error in (await outcome(answering(quoting), request), of_change(httpx.ConnectError("canary-7f3"), request)):
        assert "canary" not in str(error)
        assert "pw" not in str(error)
        assert "q=1" not in str(error)
    assert "canary" not in repr(request)


async def test_a_refused_connection_was_never_sent(http: Http):
    """Nobody listens: even a change is known not to have happened."""
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    for method in ("GET", "POST"):
        error = await outcome(http, Request(method, f"http://127.0.0.1:{port}/x"))
        assert type(error) is Unreachable
        assert f"127.0.0.1:{port}" in str(error)


async def test_an_unknown_host_was_never_sent(http: Http):
    """A host without an address is unreachable, also for a change."""
    assert type(await outcome(http, Request("POST", "http://no-such-host.invalid/x", timeout=5.0))) is Unreachable


async def test_tls_that_fails_was_never_sent(http: Http, serve):
    """A port that does not speak TLS is unreachable, also for a change."""

    async def answer(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")

    url = (await serve(answer)).replace("http:", "https:")
    assert type(await outcome(http, Request("POST", f"{url}/x"))) is Unreachable


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", b"rubbish\r\n\r\n"])
async def test_a_connection_cut_after_the_request(http: Http, serve, sent: bytes):
    """A connection that ends too early leaves a change ambiguous."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        await writer.drain()

    url = await serve(answer)
    assert type(await outcome(http, Request("GET", f"{url}/x"))) is Unreachable
    assert type(await outcome(http, Request("POST", f"{url}/x", content=b""))) is Ambiguous


async def test_silence_ends_at_the_deadline(http: Http, serve):
    """A server that never answers costs the time-out and no more."""

    async def answer(reader, _writer):
        while await reader.read(1000):
            pass

    url = await serve(answer)
    began = time.monotonic()
    assert type(await outcome(http, Request("GET", f"{url}/x", timeout=0.2))) is Unreachable
    assert type(await outcome(http, Request("POST", f"{url}/x", timeout=0.2))) is Ambiguous
    assert time.monotonic() - began < 3.0


async def test_a_slow_drip_ends_at_the_deadline(http: Http, serve):
    """A body that trickles in for ever is cut off at the deadline: each byte does not buy more time."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    url = await serve(answer)
    began = time.monotonic()
    assert type(await outcome(http, Request("GET", f"{url}/x", timeout=0.3))) is Unreadable
    assert type(await outcome(http, Request("POST", f"{url}/x", timeout=0.3))) is Ambiguous
    assert time.monotonic() - began < 3.0


async def test_an_endless_body_is_cut_at_the_cap(http: Http, serve):
    """A body without end is given up at the cap; a refusal with one still means its status."""
    status = [b"200 OK", b"422 No"]

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + status.pop(0) + b"\r\nContent-Length: 999999999\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" " * 65536)
            await writer.drain()

    url = await serve(answer)
    assert type(await outcome(http, Request("GET", f"{url}/x", max_bytes=1 << 20))) is Unreadable
    assert type(await outcome(http, Request("POST", f"{url}/x"))) is Rejected


async def test_one_connection_serves_many_calls_and_no_proxy_is_asked(http: Http, serve, monkeypatch):
    """Calls share a connection, and a proxy in the environment is not used."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    connections = []

    async def answer(reader, writer):
        connections.append(writer)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"size":3}')
            await writer.drain()

    url = await serve(answer)
    for _ in range(5):
        assert (await http.read(Request("GET", f"{url}/x"), THING)).value.size == 3
    assert len(connections) == 1


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("5", 5.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        ("999999", LONGEST_DELAY),
        ("soon", None),
        ("-3", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after(header: str | None, expected: float | None):
    """Seconds and dates are understood, what is neither is unknown, and nobody can ask for days."""
    assert retry_after(header) == expected


def test_retry_after_as_a_date():
    """A date means the seconds from now until then."""
    assert retry_after(email.utils.formatdate(time.time() + 60, usegmt=True)) == pytest.approx(60.0, abs=2.0)


@given(st.text())
def test_retry_after_takes_anything(header: str):
    """No header breaks the reading of the delay."""
    delay = retry_after(header)
    assert delay is None or 0.0 <= delay <= LONGEST_DELAY


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)))
def test_equal_values_have_equal_bytes(value: dict[str, object]):
    """The order in which a body was put together does not show in its bytes."""
    assert json_bytes(dict(reversed(value.items()))) == json_bytes(value)
    assert json.loads(json_bytes(value)) == value


def test_what_json_does_not_have_is_refused():
    """NaN never reaches the wire."""
    with pytest.raises(Rejected):
        json_bytes({"x": float("nan")})
