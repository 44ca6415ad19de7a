"""The HTTP service: `GET /health`, `GET /ready`, `GET /metrics`, and the given routes.

On loopback no token is required. On any other address metrics and details require role view. `/health` and `/ready`
answer without a token with their status only, because external probes hold no secret.
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
"""If one of them is down, a restart of this process may help. It does not help a remote or the store."""

READINESS_COMPONENTS = ("worker", "temporal")
"""The process is ready if its workers poll and Temporal answers."""

DEPENDENCIES = (*READINESS_COMPONENTS, "prometheus", "charter", "alertmanager", "knowledge")

SHUTDOWN_TIMEOUT_SECONDS = 2

MAX_CONNECTIONS = 2000
"""Simultaneous connections; further callers get 503. Alertmanager opens one for each group to notify."""
SOCKET_BACKLOG = 1024


@dataclass(frozen=True)
class ServiceState:
    """The state behind the service. `started_at` is monotonic seconds.

    `probes` are those of monitor, analyzer, planner, executor, knowledge, worker, temporal, prometheus, charter and
    alertmanager, as far as they exist. Without a `registry` there are no metrics. `view_auth` checks role view.
    `routes` are additional routes, which authenticate themselves.
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
        """Return whether the caller has role view."""
        return self.view_auth.is_authorized(request.headers.get("authorization", ""))


def build_app(state: ServiceState) -> Starlette:
    """Return the application with all routes."""
    handlers = _Handlers(state)
    routes: list[BaseRoute] = [Route("/health", handlers.health), Route("/ready", handlers.ready)]
    if state.registry is not None:
        routes.append(Route("/metrics", handlers.metrics))
    middleware = [Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"])] if state.cors else []
    return Starlette(debug=state.debug, routes=[*routes, *state.routes], middleware=middleware)


class _Handlers:
    def __init__(self, state: ServiceState) -> None:
        self.state = state

    async def health(self, request: Request) -> Response:
        """Answer 503 if a restart of this process may help, else 200: healthy, or degraded with a component down."""
        components = await self.state.probes.check()
        down = {name for name, component in components.items() if component["status"] == "down"}
        status = "unhealthy" if down & set(LIVENESS_COMPONENTS) else "degraded" if down else "healthy"
        body: dict[str, object] = {"status": status}
        if self.state.is_authorized(request):
            uptime = round(time.monotonic() - self.state.started_at, 3)
            body |= {"version": self.state.version, "uptime_seconds": uptime, "components": components}
        return JSONResponse(body, 503 if status == "unhealthy" else 200)

    async def ready(self, request: Request) -> Response:
        """Answer 200 if this process can run cycles now, else 503."""
        dependencies = await self.state.probes.check(DEPENDENCIES)
        ready = all(name in dependencies and dependencies[name]["status"] == "up" for name in READINESS_COMPONENTS)
        body: dict[str, object] = {"ready": ready}
        if self.state.is_authorized(request):
            body["dependencies"] = dependencies
        return JSONResponse(body, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Answer with all metrics in the text format of Prometheus."""
        if not self.state.is_authorized(request):
            return JSONResponse({"title": "a token of role view is required"}, 401, CHALLENGE)
        registry = self.state.registry
        return Response(generate_latest(registry) if registry else b"", media_type=CONTENT_TYPE_LATEST)


@dataclass(frozen=True)
class Tls:
    """The certificate of the service; with `client_ca` callers must show one as well."""

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None


@asynccontextmanager
async def serve(service: ASGIApp, host: str, port: int, tls: Tls | None = None) -> AsyncIterator[int]:
    """Serve inside the block and yield the bound port. Afterwards open requests have 2 s to finish.

    Raises:
        ConfigurationError: the address cannot be bound, or a certificate is invalid.
    """
    listener = _open_listener(host, port)
    settings = uvicorn.Config(
        service,
        http=HeaderTimeoutProtocol,
        log_config=None,
        # uvicorn warns of every malformed request; callers without a token must not fill the log.
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
        raise ConfigurationError(f"api.tls_cert_file: not usable ({error}); use PEM files") from None
    server = _Server(settings)
    serve_task = asyncio.create_task(server.serve(sockets=[listener]), name="mapek-http")
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await serve_task


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers: the worker stops the service after its activities."""
        yield


def _open_listener(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=SOCKET_BACKLOG)
        # Connections inherit it. asyncio sets it only if the protocol is given. Without it header and body of an answer
        # are 40 ms apart, because the second packet waits for the acknowledgement of the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        address = f"{host}:{port}"
        raise ConfigurationError(
            f"api.port: {address} cannot be bound: {error.strerror}; choose another port"
        ) from None


def auth_for_host(host: str, token_readers: Sequence[Callable[[], str]]) -> TokenAuth:
    """Return the authentication of role view for a service on `host`; on loopback no token is required."""
    return TokenAuth(() if is_loopback(host) else token_readers)
