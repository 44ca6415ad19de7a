"""The codec endpoint of the Temporal UI: `POST /codec/encode` and `/codec/decode`.

The UI gets ciphertext from Temporal and requests the plain text here, from the operator's browser. So the routes need
role view, and CORS admits the origins of the UI only.

A browser that implements Private Network Access sends `Access-Control-Request-Private-Network: true` before a request
to a more private network. Its successor, Local Network Access, has no header: the browser asks the operator.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from google.protobuf.json_format import MessageToDict, Parse, ParseError
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from activities.model.errors import MapekError
from worker.http.auth import CHALLENGE, TokenAuth
from worker.http.request_body import HttpProblem, read_body

CODEC_PATH = "/codec"
MAX_BODY_BYTES = 8 << 20
"""Maximum size of a request. A history page of the UI has at most 4 MB of payloads, encoded as base64."""

_LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}

PayloadTransform = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


def codec_routes(codec: PayloadCodec | None, auth: TokenAuth, ui_url: str) -> list[Mount]:
    """Return the routes of the codec, none without a codec. `ui_url` is the Temporal UI, whose origins are admitted."""
    if codec is None:
        return []
    cors = Middleware(
        _UiCorsMiddleware,
        allow_origins=list_origins(ui_url),
        allow_private_network=True,
        allow_methods=["POST"],
        allow_headers=["content-type", "x-namespace", "authorization"],
        allow_credentials=True,
    )
    routes = [
        Route("/encode", _codec_handler(codec.encode, auth), methods=["POST"]),
        Route("/decode", _codec_handler(codec.decode, auth), methods=["POST"]),
    ]
    return [Mount(CODEC_PATH, routes=routes, middleware=[cors])]


def list_origins(url: str) -> list[str]:
    """Return the origins that a browser sends for pages at `url`; the names of loopback are one host."""
    parts = urlsplit(url.lower())
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    hosts = _LOOPBACK_HOSTS if host in _LOOPBACK_HOSTS else (host,)
    return [f"{parts.scheme}://{name}{port}" for name in hosts]


class _UiCorsMiddleware(CORSMiddleware):
    """CORS whose answer to another origin grants nothing; Starlette would still grant the private network."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if not self.is_allowed_origin(request_headers["origin"]):
            del response.headers["access-control-allow-private-network"]
        return response


def _codec_handler(transform: PayloadTransform, auth: TokenAuth) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        if not auth.is_authorized(request.headers.get("authorization", "")):
            return JSONResponse({"title": "a token of role view is required"}, 401, CHALLENGE)
        try:
            encoded = Parse(await read_body(request, MAX_BODY_BYTES), Payloads())
            answer = Payloads(payloads=await transform(encoded.payloads))
        except HttpProblem as problem:
            return problem.to_response()
        except (ParseError, json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            return JSONResponse({"title": "the body is not JSON of temporal.api.common.v1.Payloads"}, 400)
        except MapekError as error:
            return JSONResponse({"title": str(error)}, 422)
        return JSONResponse(MessageToDict(answer))

    return post
