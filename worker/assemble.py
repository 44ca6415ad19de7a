"""Construction of clients and of everything else in a worker process. No other module constructs clients."""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from temporalio.client import Client
from temporalio.worker import Worker

from activities.clients.alertmanager import AlertmanagerClient
from activities.clients.charter import CharterClient
from activities.clients.http import HttpClient
from activities.clients.prometheus import PrometheusClient
from activities.clients.remediation_locks import RemediationLocks
from activities.clients.store.adaptive_limits import AdaptiveLimitsStore
from activities.clients.store.store import Store, open_store
from activities.dependencies import Dependencies, LoopDependencies
from activities.kill_switch import KillSwitch
from activities.model import identifiers
from activities.model.errors import ConfigurationError, MapekError
from activities.model.loop_state import LoopState
from activities.monitor.rules import build_rules
from activities.settings import LoopSettings
from worker.config.load import Config
from worker.config.reload import ConfigReloader
from worker.config.schema import AlertmanagerSettings, ApiSettings
from worker.config.secrets import token_reader
from worker.http.auth import TokenAuth
from worker.http.codec import codec_routes
from worker.http.probes import Probe, Probes, combined_probe, single_probe, temporal_probe, worker_probe
from worker.http.service import ServiceState, auth_for_host, build_app
from worker.notifications import NotificationSender
from worker.observability.activity_metrics import LastRun
from worker.observability.metrics import Metrics
from worker.temporal.interceptor import MapekInterceptor
from worker.webhook.alert_signal import alert_signal_sender
from worker.webhook.batcher import AlertBatcher
from worker.webhook.handler import AlertRouting, AlertWebhook

ACTIVITY_BY_COMPONENT = {
    "monitor": "monitor",
    "analyzer": "analyze",
    "planner": "plan",
    "executor": "apply",
    "worker": "monitor",
}
"""A component of `/health` and the activity whose last run it reports."""

ALERTMANAGER_TIMEOUT_SECONDS = 3.0
"""Timeout of one request of a cycle."""


@dataclass(frozen=True)
class Assembly:
    """The parts of one worker process. The caller appends to `workers` what it starts; `/ready` reads the list."""

    dependencies: Dependencies
    locks: RemediationLocks
    metrics: Metrics
    interceptor: MapekInterceptor
    service: Starlette
    workers: list[Worker]
    reloader: ConfigReloader
    sender: NotificationSender

    async def check_simulator(self) -> None:
        """Check that the Charter of every loop with the simulator answers.

        Raises:
            ConfigurationError: `staging.use_mock_charter` is true and no Charter answers.
        """
        for loop in self.dependencies.loops.values():
            if not loop.settings.simulator:
                continue
            try:
                await loop.charter.check_health()
            except MapekError as error:
                raise ConfigurationError(
                    f"staging.use_mock_charter is true, but no Charter answers at {loop.settings.execute.charter_url}"
                    f" ({error}); start one with `make run`, or set it to false with the address of your Charter"
                ) from error


@asynccontextmanager
async def assemble(
    config: Config,
    client: Client,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    store_opener: Callable[[str | Path], Awaitable[Store]] = open_store,
) -> AsyncIterator[Assembly]:
    """Yield the parts of a worker process, and close them in reverse order at the end.

    Tests and simulations replace the network with `transport` and the store with `store_opener`.

    Raises:
        ConfigurationError, StoreUnavailable: the store cannot be opened.
    """
    async with AsyncExitStack() as stack:
        http = HttpClient(transport)
        stack.push_async_callback(http.close)
        store = await store_opener(config.store_address)
        stack.push_async_callback(store.close)

        def build_loop(loop: LoopSettings) -> LoopDependencies:
            return replace(
                build_loop_dependencies(loop, http, config.alertmanager), limits=build_limits_store(loop, store)
            )

        loops = {loop.name: build_loop(loop) for loop in config.loops}
        dependencies = Dependencies(
            loops=loops,
            store=store,
            clock=time.time,
            worker_identity=client.identity,
            kill_switch=KillSwitch(config.kill_switch_file, os.environ),
        )
        metrics, last_run = Metrics(CollectorRegistry()), LastRun()
        task_queues = (identifiers.TASK_QUEUE, identifiers.VERIFY_TASK_QUEUE)
        metrics.initialize_series((loop.name for loop in config.loops), task_queues, config.temporal.namespace)
        workers: list[Worker] = []
        reloader = ConfigReloader(
            config, loops, build_loop, store.audit, metrics, dependencies.clock, dependencies.worker_identity
        )
        local = {name: worker_probe(workers, last_run, activity) for name, activity in ACTIVITY_BY_COMPONENT.items()}
        probes = Probes({**local, **remote_probes(config, client, dependencies, http)})
        routes = [*build_webhook_routes(config, client, metrics), *build_codec_routes(config, client)]
        yield Assembly(
            dependencies=dependencies,
            locks=RemediationLocks(client),
            metrics=metrics,
            interceptor=MapekInterceptor(metrics, last_run),
            service=build_app(build_service_state(config, metrics, probes, routes)),
            workers=workers,
            reloader=reloader,
            sender=NotificationSender(store.notifications, lambda: reloader.config, metrics, time.time, os.environ),
        )


def build_loop_dependencies(
    settings: LoopSettings, http: HttpClient, alertmanager: AlertmanagerSettings | None = None
) -> LoopDependencies:
    """Return the clients of one loop over the shared HTTP client; without `alertmanager` it has none."""
    monitor, execute = settings.monitor, settings.execute
    return LoopDependencies(
        settings=settings,
        prometheus=PrometheusClient(http, monitor.prometheus_url, monitor.timeout_seconds),
        charter=CharterClient(
            http, execute.charter_url, token_reader(execute.charter_api_key_file, execute.charter_api_key)
        ),
        alertmanager=AlertmanagerClient(http, alertmanager.url, ALERTMANAGER_TIMEOUT_SECONDS)
        if alertmanager and alertmanager.enabled
        else None,
        silences_required=alertmanager is not None and alertmanager.silences_required,
    )


def build_limits_store(settings: LoopSettings, store: Store) -> AdaptiveLimitsStore | None:
    """Return the store of adaptive limits of one loop, None if every metric has a configured limit."""
    adaptive = any(rule.adaptive for rule in build_rules(settings.monitor))
    return AdaptiveLimitsStore(store.snapshots, settings.name, time.time) if adaptive else None


def build_webhook_routes(config: Config, client: Client, metrics: Metrics) -> list[Route]:
    """Return the route of the webhook, none if Alertmanager is disabled.

    Raises:
        ConfigurationError: a token file cannot be read, or the webhook has no authentication and none was waived.
    """
    api, alerts = config.api, config.alertmanager
    if not alerts.enabled:
        return []
    tokens = token_readers(api.webhook_token_file, api.webhook_previous_token_file)
    for token in tokens:
        token()
    if not (tokens or api.allow_anonymous_alerts or api.tls_client_ca_file):
        raise ConfigurationError(
            "api.webhook_token_file: is missing, so anyone can post alerts; set it to a file with a token, or set "
            "api.allow_anonymous_alerts true on loopback, or alertmanager.enabled false"
        )
    batchers = {
        loop.name: AlertBatcher(
            alert_signal_sender(client, LoopState(loop=loop.name, links=config.format_links(loop)), metrics),
            alerts.debounce_seconds,
        )
        for loop in config.loops
    }
    webhook = AlertWebhook(TokenAuth(tokens), AlertRouting(batchers, alerts.routes, config.loops[0].name), metrics)
    return [Route(alerts.webhook_path, webhook.handle_post, methods=["POST"])]


def build_codec_routes(config: Config, client: Client) -> list[Mount]:
    """Return the codec endpoint of the Temporal UI, none without encryption."""
    return codec_routes(client.data_converter.payload_codec, build_view_auth(config.api), config.temporal.ui_url)


def build_view_auth(api: ApiSettings) -> TokenAuth:
    """Return the authentication of role view."""
    files = (api.webhook_token_file, api.webhook_previous_token_file, api.view_token_file)
    return auth_for_host(api.host, token_readers(*files))


def build_service_state(config: Config, metrics: Metrics, probes: Probes, routes: Sequence[BaseRoute]) -> ServiceState:
    """Return the state of the HTTP service."""
    return ServiceState(
        version=version("mapek"),
        started_at=time.monotonic(),
        probes=probes,
        registry=metrics.registry if config.staging.collect_metrics else None,
        view_auth=build_view_auth(config.api),
        cors=config.api.cors_enabled,
        debug=config.api.debug,
        routes=routes,
    )


def token_readers(*files: Path | None) -> list[Callable[[], str]]:
    """Return the readers of the token files that are set."""
    return [token_reader(file) for file in files if file is not None]


def remote_probes(config: Config, client: Client, dependencies: Dependencies, http: HttpClient) -> dict[str, Probe]:
    """Return the probes of all remote systems. For several loops, a probe reports the first failure."""
    loops = tuple(dependencies.loops.values())
    probes = {
        "temporal": temporal_probe(client, config.temporal.address),
        "knowledge": single_probe(dependencies.store.check_ready, "the store can be read"),
        "prometheus": combined_probe([loop.prometheus.check_ready for loop in loops], "ready"),
        "charter": combined_probe([loop.charter.check_health for loop in loops], "healthy"),
    }
    if config.alertmanager.enabled:
        probes["alertmanager"] = single_probe(AlertmanagerClient(http, config.alertmanager.url).check_ready, "ready")
    return probes
