"""The web application: nine API endpoints, metrics, and optionally the control API."""

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
from deploy.simulator.api_faults import API_PREFIX, ApiFaultInjection
from deploy.simulator.changes import ChangeHandler
from deploy.simulator.control_api import ControlApi
from deploy.simulator.exposition import build_exposition
from deploy.simulator.plant import TICK_SECONDS
from deploy.simulator.problems import (
    ProblemError,
    bad_request,
    handle_http_error,
    handle_problem,
    render_problem,
    unauthorized_problem,
)
from deploy.simulator.serializers import serialize_committee, serialize_policy, serialize_violation
from deploy.simulator.simulator import Simulator, SimulatorOptions
from deploy.simulator.validation import parse_policy

Handler = Callable[[Request], Awaitable[Response]]

POLICY_STATUS_FILTERS: Final = ("active", "all")


class CharterApi:
    """Handlers of the contract's endpoints."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def build_routes(self) -> list[BaseRoute]:
        """Return the routes below /api/v1."""
        return [
            Route("/policies", self.list_policies, methods=["GET"]),
            Route("/policies/apply", self._build_change_handler(changes.apply_policy), methods=["POST"]),
            Route("/policies/validate", self.validate_policy, methods=["POST"]),
            Route("/policies/{policy_id}/rollback", self._build_change_handler(changes.roll_back), methods=["POST"]),
            Route("/committee/state", self.get_committee, methods=["GET"]),
            Route("/committee/scale", self._build_change_handler(changes.scale), methods=["POST"]),
            Route("/committee/restart", self._build_change_handler(changes.restart), methods=["POST"]),
            Route("/violations", self.list_violations, methods=["GET"]),
        ]

    async def list_policies(self, request: Request) -> Response:
        """Return active policies, or with `status=all` also past ones; `name` filters."""
        status = request.query_params.get("status", "active")
        if status not in POLICY_STATUS_FILTERS:
            raise bad_request(f"status is one of {', '.join(POLICY_STATUS_FILTERS)}.")
        registry = self._simulator.advance_plant().policies
        name = request.query_params.get("name")
        applications = registry.list_active() if status == "active" else registry.list_history()
        selected = [application for application in applications if name in (None, application.spec.name)]
        return JSONResponse([serialize_policy(application, registry) for application in selected])

    async def validate_policy(self, request: Request) -> Response:
        """Validate a policy without applying it."""
        raw = await changes.read_json_object(request)
        spec = parse_policy(raw, self._simulator.advance_plant().components)
        return JSONResponse({"valid": True, "knob": spec.name})

    async def get_committee(self, _request: Request) -> Response:
        """Return the state of the committee."""
        plant = self._simulator.advance_plant()
        return JSONResponse(serialize_committee(plant), headers={"ETag": f'"{plant.committee.generation}"'})

    async def list_violations(self, request: Request) -> Response:
        """Return Charter's violations: all open ones, and those closed since `since`."""
        since = _parse_since(request.query_params.get("since"))
        return JSONResponse(
            [
                serialize_violation(violation)
                for violation in self._simulator.advance_plant().violation_detector.list_violations(since)
            ]
        )

    def _build_change_handler(self, apply_change: ChangeHandler) -> Handler:
        async def handler(request: Request) -> Response:
            return await changes.handle_change(request, self._simulator, apply_change)

        return handler


class BearerTokenMiddleware:
    """ASGI middleware that returns 401 without the bearer token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        authorization = dict(scope["headers"]).get(b"authorization", b"")
        if secrets.compare_digest(authorization, self._expected):
            await self._app(scope, receive, send)
        else:
            await render_problem(unauthorized_problem())(scope, receive, send)


def build_app(options: SimulatorOptions) -> ApiFaultInjection:
    """Return the application of a new simulator."""
    simulator = Simulator(options)
    render = build_exposition(lambda: simulator.advance_plant().read_exporters())

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(_request: Request) -> Response:
        return Response(render(), media_type=CONTENT_TYPE_LATEST)

    protected = Starlette(routes=CharterApi(simulator).build_routes(), exception_handlers=_EXCEPTION_HANDLERS)
    routes: list[BaseRoute] = [
        Route("/health", health, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
        Mount(API_PREFIX, BearerTokenMiddleware(protected, options.token)),
    ]
    application = Starlette(routes=routes, exception_handlers=_EXCEPTION_HANDLERS, lifespan=_build_lifespan(simulator))
    api_faults = ApiFaultInjection(application, options.failure_rate, options.seed)
    if options.control_api:
        application.router.routes.extend(ControlApi(simulator, api_faults).build_routes())
    return api_faults


_EXCEPTION_HANDLERS: Final = {ProblemError: handle_problem, HTTPException: handle_http_error}


def _build_lifespan(simulator: Simulator) -> Lifespan[Starlette]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        # Without this task a request after an idle hour must simulate the whole hour.
        task = asyncio.create_task(_tick_forever(simulator))
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    return lifespan


async def _tick_forever(simulator: Simulator) -> None:
    while True:
        simulator.advance_plant()
        await asyncio.sleep(TICK_SECONDS)


def _parse_since(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        return _parse_iso_time(text)
    if not math.isfinite(seconds):
        raise bad_request("since is a finite number of unix seconds or an ISO 8601 time.")
    return seconds


def _parse_iso_time(text: str) -> float:
    try:
        # An unescaped plus sign in the query arrives as a space.
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise bad_request("since is unix seconds or an ISO 8601 time.") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
