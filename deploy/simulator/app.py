"""The web application: nine API endpoints, metrics, and the doors if they are wanted."""

import asyncio
import math
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from deploy.simulator import changes
from deploy.simulator.changes import Decide
from deploy.simulator.control_api import Doors
from deploy.simulator.exposition import exposition
from deploy.simulator.fault_injection import API, Misbehaviour
from deploy.simulator.plant import TICK_S
from deploy.simulator.problems import ProblemError, malformed, on_http_error, on_problem, respond, unauthorized
from deploy.simulator.serializers import committee_view, policy_view, violation_view
from deploy.simulator.simulator import Options, Simulator
from deploy.simulator.validation import policy

Handler = Callable[[Request], Awaitable[Response]]

STATUSES: Final = ("active", "all")


class Api:
    """Handlers of the contract's endpoints."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def routes(self) -> list[BaseRoute]:
        """Routes below /api/v1."""
        return [
            Route("/policies", self.policies, methods=["GET"]),
            Route("/policies/apply", self._change(changes.apply_policy), methods=["POST"]),
            Route("/policies/validate", self.validate, methods=["POST"]),
            Route("/policies/{policy_id}/rollback", self._change(changes.roll_back), methods=["POST"]),
            Route("/committee/state", self.committee, methods=["GET"]),
            Route("/committee/scale", self._change(changes.scale), methods=["POST"]),
            Route("/committee/restart", self._change(changes.restart), methods=["POST"]),
            Route("/violations", self.violations, methods=["GET"]),
        ]

    async def policies(self, request: Request) -> Response:
        """Policies, active ones or with `status=all` also those of the past; `name` filters."""
        status = request.query_params.get("status", "active")
        if status not in STATUSES:
            raise malformed(f"status is one of {', '.join(STATUSES)}.")
        book = self._simulator.plant().policies
        name = request.query_params.get("name")
        found = book.active() if status == "active" else book.history()
        return JSONResponse([policy_view(one, book) for one in found if name in (None, one.spec.name)])

    async def validate(self, request: Request) -> Response:
        """Whether a policy would be accepted, without applying it."""
        raw = await changes.read_object(request)
        spec = policy(raw, self._simulator.plant().components)
        return JSONResponse({"valid": True, "knob": spec.name})

    async def committee(self, _request: Request) -> Response:
        """State of the committee."""
        plant = self._simulator.plant()
        return JSONResponse(committee_view(plant), headers={"ETag": f'"{plant.committee.generation}"'})

    async def violations(self, request: Request) -> Response:
        """Charter's own violations: all open ones, and those closed since `since`."""
        since = _instant(request.query_params.get("since"))
        return JSONResponse([violation_view(found) for found in self._simulator.plant().watch.listing(since)])

    def _change(self, decide: Decide) -> Handler:
        async def handler(request: Request) -> Response:
            return await changes.change(request, self._simulator, decide)

        return handler


class RequireToken:
    """ASGI middleware: 401 without the bearer token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass if it carries the token."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        if secrets.compare_digest(given, self._expected):
            await self._app(scope, receive, send)
        else:
            await respond(unauthorized())(scope, receive, send)


def build(options: Options) -> Misbehaviour:
    """Return the application of a fresh simulator."""
    simulator = Simulator(options)
    render = exposition(lambda: simulator.plant().exports())

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(_request: Request) -> Response:
        return Response(render(), media_type=CONTENT_TYPE_LATEST)

    protected = Starlette(routes=Api(simulator).routes(), exception_handlers=_HANDLERS)
    routes: list[BaseRoute] = [
        Route("/health", health, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Mount(API, RequireToken(protected, options.token)),
    ]
    application = Starlette(routes=routes, exception_handlers=_HANDLERS, lifespan=_ticking(simulator))
    misbehaviour = Misbehaviour(application, options.failure_rate, options.seed)
    if options.doors:
        application.router.routes.extend(Doors(simulator, misbehaviour).routes())
    return misbehaviour


_HANDLERS: Final = {ProblemError: on_problem, HTTPException: on_http_error}


def _ticking(simulator: Simulator) -> Lifespan[Starlette]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        # Without it a plant nobody asks for an hour would have to catch up within one request.
        task = asyncio.create_task(_tick_forever(simulator))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return lifespan


async def _tick_forever(simulator: Simulator) -> None:
    while True:
        simulator.plant()
        await asyncio.sleep(TICK_S)


def _instant(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _iso_instant(text)
    if not math.isfinite(seconds):
        raise malformed("since is a finite number of unix seconds or an ISO 8601 time.")
    return seconds


def _iso_instant(text: str) -> float:
    try:
        # A plus sign that was not escaped in the query arrives as a space.
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise malformed("since is unix seconds or an ISO 8601 time.") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
