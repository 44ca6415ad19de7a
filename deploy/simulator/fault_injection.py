"""The ways the API can be made to misbehave, on demand or at a rate.

Only requests under /api/v1 are touched. Some modes act before the request is handled, so nothing has happened;
`reply-lost` and `hang-then-execute` execute it and fail the caller anyway.
"""

import asyncio
import time
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deploy.simulator.problems import ProblemError, overloaded, rate_limited, respond

API: Final = "/api/v1"
CHANGES: Final = ("/apply", "/rollback", "/scale", "/restart")
PAUSE: Final = "charter.pause"
"""Key of the request's scope under which a change finds what it must wait for."""
DELAY_S: Final = 30.0
"""How long a request hangs if the door does not say."""


class Mode(StrEnum):
    """How a request is treated."""

    NORMAL = "normal"
    HANG = "hang"
    ERROR_500 = "error-500"
    UNAVAILABLE = "unavailable"
    GARBAGE = "garbage"
    RATE_LIMIT = "rate-limit"
    SLOW = "slow"
    REPLY_LOST = "reply-lost"
    HANG_THEN_EXECUTE = "hang-then-execute"


AT_RANDOM: Final = (
    Mode.ERROR_500,
    Mode.UNAVAILABLE,
    Mode.RATE_LIMIT,
    Mode.GARBAGE,
    Mode.SLOW,
    Mode.REPLY_LOST,
)
"""What a failure rate chooses from."""


@dataclass
class Behaviour:
    """A mode for requests whose path starts with `route`, for `count` of them or until `ends` (None: no bound).

    `ends` is a reading of the monotonic clock, `delay` the seconds a request hangs.
    """

    mode: Mode = Mode.NORMAL
    route: str = API
    count: int | None = None
    ends: float | None = None
    delay: float = DELAY_S

    def take(self, path: str, now: float) -> Mode:
        """Return the mode for one request, and count it."""
        over = self.count == 0 or (self.ends is not None and now >= self.ends)
        if self.mode is Mode.NORMAL or over or not path.startswith(self.route):
            return Mode.NORMAL
        if self.count is not None:
            self.count -= 1
        return self.mode


class Misbehaviour:
    """ASGI middleware that treats requests by the behaviour that is set, else by the failure rate (0 to 1)."""

    def __init__(self, app: ASGIApp, rate: float, seed: int) -> None:
        self._app = app
        self._rate = rate
        self._random = Random(seed)
        self.behaviour = Behaviour()
        self.stopping = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        mode = self._mode(scope["path"])
        if mode is Mode.REPLY_LOST:
            await self._app(scope, receive, _cut(send))
        elif mode in (Mode.SLOW, Mode.HANG_THEN_EXECUTE):
            await self._late(0.5 if mode is Mode.SLOW else self.behaviour.delay, scope, receive, send)
        elif (refusal := await self._refusal(mode)) is not None:
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _mode(self, path: str) -> Mode:
        mode = self.behaviour.take(path, time.monotonic())
        if mode is Mode.NORMAL and self._random.random() < self._rate:
            return self._random.choice(AT_RANDOM)
        return mode

    async def _late(self, delay: float, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].endswith(CHANGES):
            await self._pause(delay)
            await self._app(scope, receive, send)
            return
        # A change waits inside its idempotency key, so that a second request finds it in flight.
        pause = scope[PAUSE] = self._pause(delay)
        await self._app(scope, receive, send)
        pause.close()

    async def _refusal(self, mode: Mode) -> Response | None:
        if mode is Mode.HANG:
            await self._pause(self.behaviour.delay)
            return respond(overloaded(1))
        if mode is Mode.ERROR_500:
            return respond(ProblemError(500, "Internal error."))
        if mode is Mode.UNAVAILABLE:
            return respond(overloaded(1))
        if mode is Mode.RATE_LIMIT:
            return respond(rate_limited(1))
        if mode is Mode.GARBAGE:
            return Response(b'{"policy_id": "pol', 200, media_type="application/json")
        return None

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return


def _cut(send: Send) -> Send:
    """Send the head and half of the body, then no more: the server closes the connection."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return cut
