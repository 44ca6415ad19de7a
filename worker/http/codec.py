"""The codec endpoint of the Temporal UI: `POST /codec/encode` and `/codec/decode`.

The UI gets ciphertext from Temporal and asks here for the text, from the browser of whoever looks at it. So this is a
door of role view, and pages of the UI's own origin alone may read its answers.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from google.protobuf.json_format import MessageToDict, Parse, ParseError
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from activities.model.errors import MapekError
from worker.http.auth import CHALLENGE, Gate
from worker.webhook.handler import Refused, read_body

PATH = "/codec"
MAX_BYTES = 8 << 20
"""Of one request: a history page of the UI holds at most 4 MB of payloads, in base64."""

Work = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


def codec_routes(codec: PayloadCodec | None, gate: Gate, ui_url: str) -> list[Mount]:
    """Return the door, none without a codec. `ui_url` is the Temporal UI, whose origin may ask."""
    if codec is None:
        return []
    parts = urlsplit(ui_url)
    across = Middleware(
        CORSMiddleware,
        allow_origins=[f"{parts.scheme}://{parts.netloc}"],
        allow_methods=["POST"],
        allow_headers=["content-type", "x-namespace", "authorization"],
        allow_credentials=True,
    )
    doors = [
        Route("/encode", _door(codec.encode, gate), methods=["POST"]),
        Route("/decode", _door(codec.decode, gate), methods=["POST"]),
    ]
    return [Mount(PATH, routes=doors, middleware=[across])]


def _door(work: Work, gate: Gate) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        if not gate.admits(request.headers.get("authorization", "")):
            return JSONResponse({"title": "a token of role view is needed"}, 401, CHALLENGE)
        try:
            asked = Parse(await read_body(request, MAX_BYTES, remedy=""), Payloads())
            answer = Payloads(payloads=await work(asked.payloads))
        except Refused as refusal:
            return refusal.answer()
        except (ParseError, json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            return JSONResponse({"title": "not Payloads of Temporal as JSON"}, 400)
        except MapekError as error:
            return JSONResponse({"title": str(error)}, 422)
        return JSONResponse(MessageToDict(answer))

    return post
