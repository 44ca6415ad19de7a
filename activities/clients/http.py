"""The one HTTP client, and the one place where HTTP becomes the error family.

The meaning of a failure depends on the request:

- A *read* changes nothing. Every failure of the exchange is `Unreachable`; a response that cannot be used is
  `InvalidResponse`.
- A *change* without a connection was never sent: `Unreachable`. Once sending started, everything but a clear response
  is `Ambiguous`: only a read can resolve it, never a second request.

A clear response is a 4xx status, or 429 or 503, which refuse before any change. Bodies are streamed with a limit and
never decompressed, because a small body could expand without end. The JSON parser of pydantic refuses more than about
200 levels. There are no redirects, no proxies from the environment, and one shared client: building a client costs
50 ms, a request on a shared one 2 ms.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from activities.clients.http_messages import Request, Response, parse_retry_after
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
from activities.model.invalid_value import describe_first_error
from activities.model.types import truncate
from activities.sanitize import sanitize_terminal

T = TypeVar("T")

MAX_PROBLEM_BYTES = 64 << 10
"""Bytes read of the body of a refusal: enough for every problem+json."""

LIBRARY_ERRORS = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, httpx.CookieConflict, OSError)
"""Everything an exchange can raise; `OSError` covers time-outs and errors of the TLS layer."""

_INVALID_REQUEST_ERRORS = (httpx.InvalidURL, httpx.UnsupportedProtocol)
_NEVER_SENT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_TRANSPORT_ERRORS = (httpx.TransportError, OSError)


@dataclass(frozen=True)
class _RawResponse:
    status: int
    headers: httpx.Headers
    body: bytes


class HttpClient:
    """The HTTP client that all clients of a process share.

    `transport` replaces the network in tests; `max_connections` limits the pool.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, max_connections: int = 50) -> None:
        self._client = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=20, keepalive_expiry=60.0),
            headers={"User-Agent": "mapek", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def read(self, request: Request, schema: TypeAdapter[T]) -> Response[T]:
        """Return the response, its JSON body parsed by `schema`.

        Raises: Unreachable, InvalidResponse, Overloaded, Unauthorized, Rejected, NotFound, ConfigurationError.
        """
        raw = await self._read(request)
        try:
            return Response(schema.validate_json(raw.body, strict=True), raw.headers)
        except ValidationError as error:
            raise InvalidResponse(f"{request.name}: {_describe_invalid(error)}") from error

    async def probe(self, request: Request) -> None:
        """Return if the status is 2xx, with any body; raise as `read` does otherwise."""
        await self._read(request)

    async def change(self, request: Request, schema: TypeAdapter[T]) -> Response[T]:
        """Send a change and return its response, the JSON body parsed by `schema`.

        Raises: Unreachable (never sent), Ambiguous (may be applied), Overloaded, InFlight, Superseded, Stale,
            Unauthorized, Rejected, NotFound, ConfigurationError.
        """
        try:
            raw = await self._exchange(request)
        except InvalidResponse as error:
            raise Ambiguous(str(error)) from error
        except LIBRARY_ERRORS as error:
            raise map_change_error(error, request) from error
        if not 200 <= raw.status < 300:
            _raise_refusal(request, raw, Ambiguous)
        try:
            return Response(schema.validate_json(raw.body, strict=True), raw.headers)
        except ValidationError as error:
            raise Ambiguous(f"{request.name}: {raw.status}, {_describe_invalid(error)}") from error

    async def _read(self, request: Request) -> _RawResponse:
        try:
            raw = await self._exchange(request)
        except LIBRARY_ERRORS as error:
            raise map_read_error(error, request) from error
        if not 200 <= raw.status < 300:
            _raise_refusal(request, raw, Unreachable if raw.status >= 500 else InvalidResponse)
        return raw

    async def _exchange(self, request: Request) -> _RawResponse:
        # Pool and connection get a third each: then the whole deadline can only end after sending started.
        timeout = httpx.Timeout(request.timeout, connect=request.timeout / 3, pool=request.timeout / 3)
        has_response = False
        try:
            async with (
                asyncio.timeout(request.timeout),
                self._client.stream(
                    request.method,
                    request.url,
                    params=dict(request.params) or None,
                    headers=dict(request.headers),
                    content=request.content,
                    timeout=timeout,
                ) as response,
            ):
                has_response = True
                return _RawResponse(response.status_code, response.headers, await _read_body(request, response))
        except TimeoutError as error:
            if has_response:
                raise InvalidResponse(f"{request.name}: the body took longer than {request.timeout:g} s") from error
            raise


def map_read_error(error: Exception, request: Request) -> MapekError:
    """Return the error of a read. The text of the library is left out: it may hold a header."""
    if isinstance(error, _INVALID_REQUEST_ERRORS):
        return ConfigurationError(_describe(error, request))
    if isinstance(error, _TRANSPORT_ERRORS):
        return Unreachable(_describe(error, request))
    return InvalidResponse(_describe(error, request))


def map_change_error(error: Exception, request: Request) -> MapekError:
    """Return the error of a change: `Ambiguous`, unless the request was certainly not sent."""
    if isinstance(error, _INVALID_REQUEST_ERRORS):
        return ConfigurationError(_describe(error, request))
    if isinstance(error, _NEVER_SENT_ERRORS):
        return Unreachable(_describe(error, request))
    return Ambiguous(_describe(error, request))


def _describe(error: Exception, request: Request) -> str:
    return f"{request.name} at {request.host}: {type(error).__name__} within {request.timeout:g} s"


async def _read_body(request: Request, response: httpx.Response) -> bytes:
    is_success = response.is_success
    if response.headers.get("Content-Encoding", "identity") != "identity":
        if is_success:
            raise InvalidResponse(f"{request.name}: the body is compressed, although the request allows only identity")
        return b""
    limit = request.max_bytes if is_success else MAX_PROBLEM_BYTES
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            if is_success:
                raise InvalidResponse(f"{request.name}: the body is longer than {limit} bytes")
            break
    return b"".join(chunks)


def _raise_refusal(
    request: Request, raw_response: _RawResponse, fallback: type[Ambiguous | Unreachable | InvalidResponse]
) -> NoReturn:
    error = _map_refusal(request, raw_response, fallback)
    error.status = raw_response.status
    raise error


def _map_refusal(
    request: Request, raw_response: _RawResponse, fallback: type[Ambiguous | Unreachable | InvalidResponse]
) -> MapekError:
    problem = _parse_problem(raw_response.body)
    text = _format_refusal(request, raw_response.status, problem)
    delay = parse_retry_after(raw_response.headers.get("Retry-After"))
    match raw_response.status:
        case 401 | 403:
            return Unauthorized(text)
        case 404 | 410:
            return NotFound(text)
        case 409 if delay is not None:
            return InFlight(text, delay)
        case 409:
            return Superseded(text)
        case 412:
            return Stale(text, _parse_generation(problem, raw_response.headers.get("ETag", "")))
        case 429 | 503:
            return Overloaded(text, delay)
        case status if 400 <= status < 500 and status != 408:
            return Rejected(text)
        case _:
            return fallback(text, delay)


def _parse_problem(body: bytes) -> dict[str, Any]:
    try:
        value = from_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _format_refusal(request: Request, status: int, problem: dict[str, Any]) -> str:
    texts = (problem.get(key) for key in ("title", "detail", "error"))
    text = ": ".join(sanitize_terminal(text) for text in texts if isinstance(text, str) and text)
    # A server may quote the request that it refuses, with the credential.
    credential = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if credential:
        text = text.replace(credential, "***")
    return f"{request.name}: {status}" + (f" {truncate(text)}" if text else "")


def _describe_invalid(error: ValidationError) -> str:
    return truncate(sanitize_terminal(describe_first_error(error)))


def _parse_generation(problem: dict[str, Any], etag: str) -> int | None:
    if type(problem.get("generation")) is int:
        return int(problem["generation"])
    tag = re.fullmatch(r'(?:W/)?"(\d{1,18})"', etag)
    return int(tag.group(1)) if tag else None
