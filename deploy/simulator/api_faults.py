"""The faults of the API, on demand or at a rate.

They affect only requests under /api/v1. Most modes fail the request before it is executed. `reply-lost` and
`hang-then-execute` execute it and fail the caller.
"""

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.simulator.problems import ProblemError, render_problem, service_unavailable, too_many_requests

API_PREFIX: Final = "/api/v1"
CHANGE_ROUTE_SUFFIXES: Final = ("/apply", "/rollback", "/scale", "/restart")
PAUSE_SCOPE_KEY: Final = "charter.pause"
"""Key in the request's scope of the pause that a change must await."""
DEFAULT_HANG_SECONDS: Final = 30.0
"""Default duration of a hang."""


class ApiFaultMode(StrEnum):
    """What happens to a request."""

    NORMAL = "normal"
    HANG = "hang"
    ERROR_500 = "error-500"
    UNAVAILABLE = "unavailable"
    GARBAGE = "garbage"
    RATE_LIMIT = "rate-limit"
    SLOW = "slow"
    REPLY_LOST = "reply-lost"
    HANG_THEN_EXECUTE = "hang-then-execute"


RANDOM_MODES: Final = (
    ApiFaultMode.ERROR_500,
    ApiFaultMode.UNAVAILABLE,
    ApiFaultMode.RATE_LIMIT,
    ApiFaultMode.GARBAGE,
    ApiFaultMode.SLOW,
    ApiFaultMode.REPLY_LOST,
)
"""The modes of random failures."""


@dataclass
class ApiFaultRule:
    """A mode for requests whose path starts with `route`, for `count` requests or until `expires_at`.

    None means no limit. `expires_at` is a time of the monotonic clock.
    """

    mode: ApiFaultMode = ApiFaultMode.NORMAL
    route: str = API_PREFIX
    count: int | None = None
    expires_at: float | None = None
    delay_seconds: float = DEFAULT_HANG_SECONDS

    def consume(self, path: str, now: float) -> ApiFaultMode:
        """Return the mode of one request and count the request."""
        is_over = self.count == 0 or (self.expires_at is not None and now >= self.expires_at)
        if self.mode is ApiFaultMode.NORMAL or is_over or not path.startswith(self.route):
            return ApiFaultMode.NORMAL
        if self.count is not None:
            self.count -= 1
        return self.mode


class ApiFaultInjection:
    """ASGI middleware that applies the current rule, or random failures at the rate (0 to 1)."""

    def __init__(self, app: ASGIApp, failure_rate: float, seed: int) -> None:
        self._app = app
        self._rate = failure_rate
        self._random = Random(seed)
        self.rule = ApiFaultRule()
        self.stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not scope["path"].startswith(API_PREFIX):
            await self._app(scope, receive, send)
            return
        mode = self._choose_mode(scope["path"])
        if mode is ApiFaultMode.REPLY_LOST:
            await self._app(scope, receive, _truncate_reply(send))
        elif mode in (ApiFaultMode.SLOW, ApiFaultMode.HANG_THEN_EXECUTE):
            await self._delay_request(
                0.5 if mode is ApiFaultMode.SLOW else self.rule.delay_seconds, scope, receive, send
            )
        elif (response := await self._build_error_response(mode)) is not None:
            await response(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _choose_mode(self, path: str) -> ApiFaultMode:
        mode = self.rule.consume(path, time.monotonic())
        if mode is ApiFaultMode.NORMAL and self._random.random() < self._rate:
            return self._random.choice(RANDOM_MODES)
        return mode

    async def _delay_request(self, delay_seconds: float, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith(CHANGE_ROUTE_SUFFIXES):
            await self._pause(delay_seconds)
            await self._app(scope, receive, send)
            return
        # A change waits while it holds its idempotency key, so a second request finds the key in flight.
        pause = scope[PAUSE_SCOPE_KEY] = self._pause(delay_seconds)
        await self._app(scope, receive, send)
        pause.close()

    async def _build_error_response(self, mode: ApiFaultMode) -> Response | None:
        if mode is ApiFaultMode.HANG:
            await self._pause(self.rule.delay_seconds)
            return render_problem(service_unavailable(1))
        if mode is ApiFaultMode.ERROR_500:
            return render_problem(ProblemError(500, "Internal error."))
        if mode is ApiFaultMode.UNAVAILABLE:
            return render_problem(service_unavailable(1))
        if mode is ApiFaultMode.RATE_LIMIT:
            return render_problem(too_many_requests(1))
        if mode is ApiFaultMode.GARBAGE:
            return Response(b'{"policy_id": "pol', 200, media_type="application/json")
        return None

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return


def _truncate_reply(send: Send) -> Send:
    """Return a `send` that stops after half of the body; then the server closes the connection."""

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return send_half
