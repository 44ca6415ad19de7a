"""The service: `GET /health`, `GET /ready`, `GET /metrics`, and further routes it is given.

On loopback everything is open. On any other address metrics and details are for role view; `/health` and `/ready`
answer anyone with their status alone, because what probes them from outside holds no secret.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from activities.model.errors import ConfigurationError
from worker.config.constraints import is_loopback
from worker.http.auth import CHALLENGE, TokenAuth
from worker.http.header_timeout import HeaderTimeoutProtocol
from worker.http.probes import Probes

log = logging.getLogger("mapek.http")

LIVENESS_COMPONENTS = ("monitor", "analyzer", "planner", "executor")
"""Without them this process is of no use and may be restarted. No restart of ours mends a remote or the store."""

READINESS_COMPONENTS = ("worker", "temporal")
"""What makes this process ready: it polls, and Temporal answers."""

DEPENDENCIES = (*READINESS_COMPONENTS, "prometheus", "charter", "alertmanager", "knowledge")

SHUTDOWN_TIMEOUT_SECONDS = 2

MAX_CONNECTIONS = 2000
"""At once; callers beyond it get 503. Alertmanager opens one for each group whose notice is due."""
SOCKET_BACKLOG = 1024


@dataclass(frozen=True)
class ServiceState:
    """What the service shows. `started` is monotonic seconds.

    `probes` are named monitor, analyzer, planner, executor, knowledge, worker, temporal, prometheus, charter and
    alertmanager, as far as they exist. `registry` None: no metrics. `view` is the gate of role view; without tokens
    it is open. `routes` are further routes, which guard themselves.
    """

    version: str
    started_at: float
    probes: Probes
    registry: CollectorRegistry | None = None
    view_auth: TokenAuth = field(default_factory=lambda: TokenAuth(()))
    cors: bool = False
    debug: bool = False
    routes: Sequence[BaseRoute] = ()

    def is_authorized(self, request: Request) -> bool:
        """Tell whether the caller may see more than a status."""
        return self.view_auth.is_authorized(request.headers.get("authorization", ""))


def build_app(state: ServiceState) -> Starlette:
    """Return the service."""
    doors = _Handlers(state)
    routes: list[BaseRoute] = [Route("/health", doors.health), Route("/ready", doors.ready)]
    if state.registry is not None:
        routes.append(Route("/metrics", doors.metrics))
    across = [Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"])] if state.cors else []
    return Starlette(debug=state.debug, routes=[*routes, *state.routes], middleware=across)


class _Handlers:
    def __init__(self, state: ServiceState) -> None:
        self.state = state

    async def health(self, request: Request) -> Response:
        """Answer 503 if a restart of this process would help, else 200: healthy, or degraded if a part is down."""
        parts = await self.state.probes.check()
        down = {name for name, part in parts.items() if part["status"] == "down"}
        status = "unhealthy" if down & set(LIVENESS_COMPONENTS) else "degraded" if down else "healthy"
        body: dict[str, object] = {"status": status}
        if self.state.is_authorized(request):
            uptime = round(time.monotonic() - self.state.started_at, 3)
            body |= {"version": self.state.version, "uptime_seconds": uptime, "components": parts}
        return JSONResponse(body, 503 if status == "unhealthy" else 200)

    async def ready(self, request: Request) -> Response:
        """Answer 200 if cycles would run here now, else 503."""
        parts = await self.state.probes.check(DEPENDENCIES)
        ready = all(name in parts and parts[name]["status"] == "up" for name in READINESS_COMPONENTS)
        body: dict[str, object] = {"ready": ready}
        if self.state.is_authorized(request):
            body["dependencies"] = parts
        return JSONResponse(body, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Answer with all metrics in Prometheus's text format."""
        if not self.state.is_authorized(request):
            return JSONResponse({"title": "a token of role view is needed"}, 401, CHALLENGE)
        registry = self.state.registry
        return Response(generate_latest(registry) if registry else b"", media_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True)
class Tls:
    """How the service shows who it is; with `client_ca` callers have to as well."""

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None


@asynccontextmanager
async def serve(service: ASGIApp, host: str, port: int, tls: Tls | None = None) -> AsyncIterator[int]:
    """Serve until the block is left, then let open answers end for 2 s. Gives the port that was bound.

    Raises:
        ConfigurationError: the address cannot be bound, or a certificate cannot be used.
    """
    listener = _open_listener(host, port)
    settings = uvicorn.Config(
        service,
        http=HeaderTimeoutProtocol,
        log_config=None,
        # uvicorn warns of every request it cannot read: strangers must not fill the log.
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_SECONDS,
        limit_concurrency=MAX_CONNECTIONS,
        backlog=SOCKET_BACKLOG,
        ssl_certfile=tls.certificate if tls else None,
        ssl_keyfile=tls.key if tls else None,
        ssl_ca_certs=str(tls.client_ca) if tls and tls.client_ca else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.client_ca else ssl.CERT_NONE,
    )
    try:
        settings.load()
    except OSError as error:
        listener.close()
        raise ConfigurationError(f"api.tls_cert_file: cannot be used ({error}); PEM files are needed") from None
    server = _Server(settings)
    serving = asyncio.create_task(server.serve(sockets=[listener]), name="mapek-http")
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await serving


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the worker ends the service, after its activities."""
        yield


def _open_listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=SOCKET_BACKLOG)
        # Connections inherit it. asyncio sets it only where the protocol was named, and without it head and body of
        # an answer lie 40 ms apart: the second waits for the acknowledgement of the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        where = f"{host}:{port}"
        raise ConfigurationError(f"api.port: {where} cannot be bound: {error.strerror}; choose another") from None


def auth_for_host(host: str, token_readers: Sequence[Callable[[], str]]) -> TokenAuth:
    """Return the gate of role view for callers on `host`: open on loopback."""
    return TokenAuth(() if is_loopback(host) else token_readers)
