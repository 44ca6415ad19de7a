"""The only place that constructs clients: from the configuration to everything a worker process works with."""

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
from activities.model.intake import LoopState
from activities.monitor.rules import build_rules
from activities.settings import LoopSettings
from worker.config.load import Config
from worker.config.reload import ConfigReloader
from worker.config.schema import AlertmanagerSettings, ApiSettings
from worker.config.secrets import charter_token_reader, token_reader
from worker.http.auth import TokenAuth
from worker.http.codec import codec_routes
from worker.http.probes import Probe, Probes, combined_probe, single_probe, temporal_probe, worker_probe
from worker.http.service import ServiceState, auth_for_host, build_app
from worker.notifications import NotificationSender
from worker.observability.activity_metrics import LastRun
from worker.observability.metrics import Metrics
from worker.temporal.interceptor import MapekInterceptor
from worker.webhook.batcher import AlertBatcher
from worker.webhook.handler import AlertRouting, AlertWebhook
from worker.webhook.intake import intake_sender

ACTIVITY_BY_COMPONENT = {
    "monitor": "monitor",
    "analyzer": "analyze",
    "planner": "plan",
    "executor": "apply",
    "worker": "monitor",
}
"""A component of `/health` and the activity that tells when it last ran."""

ALERTMANAGER_TIMEOUT_SECONDS = 3.0
"""Seconds in which it has to answer a cycle."""


@dataclass(frozen=True)
class Assembly:
    """One worker process. `workers` is filled by whoever starts them, and `/ready` looks at it."""

    dependencies: Dependencies
    locks: RemediationLocks
    metrics: Metrics
    interceptor: MapekInterceptor
    service: Starlette
    workers: list[Worker]
    reloader: ConfigReloader
    sender: NotificationSender

    async def check_simulator(self) -> None:
        """Return if what this process was promised is there.

        Raises:
            ConfigurationError: the simulator was announced, and no Charter answers.
        """
        for loop in self.dependencies.loops.values():
            if not loop.settings.simulator:
                continue
            try:
                await loop.charter.check_health()
            except MapekError as error:
                raise ConfigurationError(
                    f"staging.use_mock_charter is true, but no Charter answers at {loop.settings.execute.charter_url}"
                    f" ({error}); `make run` starts one there, or set it to false and name your own"
                ) from error


@asynccontextmanager
async def assemble(
    config: Config,
    client: Client,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    store_opener: Callable[[str | Path], Awaitable[Store]] = open_store,
) -> AsyncIterator[Assembly]:
    """Give everything a worker process needs; closed in reverse order at the end.

    `transport` stands for the network and `opening` opens the store: both are there for whoever has to stand between
    the worker and what it changes.

    Raises:
        ConfigurationError, StoreUnavailable: the store cannot be opened.
    """
    async with AsyncExitStack() as stack:
        http = HttpClient(transport)
        stack.push_async_callback(http.close)
        store = await store_opener(config.store_address)
        stack.push_async_callback(store.close)

        def made(loop: LoopSettings) -> LoopDependencies:
            return replace(
                build_loop_dependencies(loop, http, config.alertmanager), limits=build_limits_store(loop, store)
            )

        loops = {loop.name: made(loop) for loop in config.loops}
        switch = KillSwitch(config.kill_switch_file, os.environ)
        parts = Dependencies(
            loops=loops, store=store, clock=time.time, worker_identity=client.identity, kill_switch=switch
        )
        metrics, last_run = Metrics(CollectorRegistry()), LastRun()
        task_queues = (identifiers.TASK_QUEUE, identifiers.VERIFY_TASK_QUEUE)
        metrics.initialize_series((loop.name for loop in config.loops), task_queues, config.temporal.namespace)
        workers: list[Worker] = []
        reloading = ConfigReloader(config, loops, made, store.audit, metrics, parts.clock, parts.worker_identity)
        own = {name: worker_probe(workers, last_run, activity) for name, activity in ACTIVITY_BY_COMPONENT.items()}
        probes = Probes({**own, **remote_probes(config, client, parts, http)})
        routes = [*build_webhook_routes(config, client, metrics), *build_codec_routes(config, client)]
        yield Assembly(
            dependencies=parts,
            locks=RemediationLocks(client),
            metrics=metrics,
            interceptor=MapekInterceptor(metrics, last_run),
            service=build_app(build_service_state(config, metrics, probes, routes)),
            workers=workers,
            reloader=reloading,
            sender=NotificationSender(store.notifications, lambda: reloading.config, metrics, parts.clock, os.environ),
        )


def build_loop_dependencies(
    settings: LoopSettings, http: HttpClient, alertmanager: AlertmanagerSettings | None = None
) -> LoopDependencies:
    """Return the remotes of one loop, all over the one shared HTTP client; without `alerts` no Alertmanager."""
    monitor, execute = settings.monitor, settings.execute
    return LoopDependencies(
        settings=settings,
        prometheus=PrometheusClient(http, monitor.prometheus_url, monitor.timeout_seconds),
        charter=CharterClient(http, execute.charter_url, charter_token_reader(execute)),
        alertmanager=AlertmanagerClient(http, alertmanager.url, ALERTMANAGER_TIMEOUT_SECONDS)
        if alertmanager and alertmanager.enabled
        else None,
        silences_required=alertmanager is not None and alertmanager.silences_required,
    )


def build_limits_store(settings: LoopSettings, store: Store) -> AdaptiveLimitsStore | None:
    """Return the adaptive limits of one loop, None if all its metrics have hand-set ones."""
    adaptive = any(rule.adaptive for rule in build_rules(settings.monitor))
    return AdaptiveLimitsStore(store.snapshots, settings.name, time.time) if adaptive else None


def build_webhook_routes(config: Config, client: Client, metrics: Metrics) -> list[Route]:
    """Return the door for alerts, none if alerts are switched off.

    Raises:
        ConfigurationError: anybody could post alerts, and nobody said that this is meant.
    """
    api, alerts = config.api, config.alertmanager
    if not alerts.enabled:
        return []
    tokens = operate_token_readers(api)
    for token in tokens:
        token()
    if not (tokens or api.allow_anonymous_alerts or api.tls_client_ca_file):
        raise ConfigurationError(
            "api.webhook_token_file: without it anybody could post alerts; name a file with a token, or set "
            "api.allow_anonymous_alerts true on loopback, or alertmanager.enabled false"
        )
    ways = {
        loop.name: AlertBatcher(
            intake_sender(client, LoopState(loop=loop.name, links=config.format_links(loop)), metrics),
            alerts.debounce_seconds,
        )
        for loop in config.loops
    }
    door = AlertWebhook(TokenAuth(tokens), AlertRouting(ways, alerts.routes, config.loops[0].name), metrics)
    return [Route(alerts.webhook_path, door.handle_post, methods=["POST"])]


def build_codec_routes(config: Config, client: Client) -> list[Mount]:
    """Return the door through which the Temporal UI reads what is encrypted, none if nothing is."""
    return codec_routes(client.data_converter.payload_codec, build_view_auth(config.api), config.temporal.ui_url)


def build_view_auth(api: ApiSettings) -> TokenAuth:
    """Return the gate of role view."""
    return auth_for_host(api.host, [*operate_token_readers(api), *token_readers(api.view_token_file)])


def build_service_state(config: Config, metrics: Metrics, probes: Probes, routes: Sequence[BaseRoute]) -> ServiceState:
    """Return what the HTTP service shows."""
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


def operate_token_readers(api: ApiSettings) -> list[Callable[[], str]]:
    """Return what gives the tokens of role operate, at each call: the one in use, and the one before it."""
    return token_readers(api.webhook_token_file, api.webhook_previous_token_file)


def token_readers(*files: Path | None) -> list[Callable[[], str]]:
    """Return what gives the tokens of the files that are set."""
    return [token_reader(file) for file in files if file is not None]


def remote_probes(config: Config, client: Client, dependencies: Dependencies, http: HttpClient) -> dict[str, Probe]:
    """Return the probes of everything this process talks to; of several loops the first failing one is told."""
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
