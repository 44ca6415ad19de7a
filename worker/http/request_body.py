"""Reading a request body within limits, and the answers to requests that are refused."""

import asyncio
from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

BODY_TIMEOUT_SECONDS = 3.0
"""The whole body must arrive within this time."""
RETRY_AFTER = {"Retry-After": "1"}


class HttpProblem(Exception):
    """The answer to a refused request. `pointer` (RFC 6901) names the invalid part of the body."""

    def __init__(self, status: int, title: str, pointer: str = "", headers: Mapping[str, str] | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.problem = {"status": status, "title": title} | ({"pointer": pointer} if pointer else {})
        self.headers = headers

    def to_response(self) -> Response:
        """Return the answer as problem+json."""
        return JSONResponse(self.problem, self.status, self.headers, "application/problem+json")


async def read_body(request: Request, max_bytes: int, hint: str = "") -> bytes:
    """Return the body; `hint` ends the message for a body that is too large.

    Raises:
        HttpProblem: the body is longer than `max_bytes`, or did not arrive within 3 s.
    """
    too_large = HttpProblem(413, f"a body has at most {max_bytes} bytes{hint}")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_bytes:
                    raise too_large
                chunks.append(chunk)
    except TimeoutError:
        raise HttpProblem(
            408, f"the body did not arrive within {BODY_TIMEOUT_SECONDS:g} s", headers={"Connection": "close"}
        ) from None
    except ClientDisconnect:
        # Only a proxy between can still read this answer; the sender gave up and must post again.
        raise HttpProblem(503, "the body ended early", headers=RETRY_AFTER) from None
    return b"".join(chunks)
