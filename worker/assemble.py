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
from activities.clients.http import Http
from activities.clients.locks import Locks
from activities.clients.prometheus import PrometheusClient
from activities.clients.store.limits import Limits
from activities.clients.store.store import Store, open_store
from activities.dependencies import LoopParts, Parts
from activities.kill_switch import KillSwitch
from activities.model.errors import ConfigurationError, MapekError
from activities.model.intake import LoopState
from activities.monitor.rules import rules_of
from activities.settings import LoopSettings
from worker.config.load import Config
from worker.config.reload import Reloading
from worker.config.schema import AlertmanagerSettings, ApiSettings
from worker.config.secrets import charter_token, token_of
from worker.http.auth import Gate
from worker.http.codec import codec_routes
from worker.http.probes import Probe, Probes, all_well, component, temporal_probe, well
from worker.http.service import ServiceState, app, view_gate
from worker.notifications import Sender
from worker.observability.activity_metrics import LastRun
from worker.observability.metrics import Metrics
from worker.temporal.interceptor import MapekInterceptor
from worker.webhook.batcher import HandOver
from worker.webhook.handler import Delivery, Webhook
from worker.webhook.intake import to_intake
from workflows import names

STEPS = {"monitor": "monitor", "analyzer": "analyze", "planner": "plan", "executor": "apply", "worker": "monitor"}
"""A component of `/health` and the activity that tells when it last ran."""

ASK_ALERTMANAGER = 3.0
"""Seconds in which it has to answer a cycle."""


@dataclass(frozen=True)
class Assembly:
    """One worker process. `workers` is filled by whoever starts them, and `/ready` looks at it."""

    parts: Parts
    locks: Locks
    metrics: Metrics
    interceptor: MapekInterceptor
    service: Starlette
    workers: list[Worker]
    reloading: Reloading
    sender: Sender

    async def check(self) -> None:
        """Return if what this process was promised is there.

        Raises:
            ConfigurationError: the simulator was announced, and no Charter answers.
        """
        for loop in self.parts.loops.values():
            if not loop.settings.simulator:
                continue
            try:
                await loop.charter.health()
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
    opening: Callable[[str | Path], Awaitable[Store]] = open_store,
) -> AsyncIterator[Assembly]:
    """Give everything a worker process needs; closed in reverse order at the end.

    `transport` stands for the network and `opening` opens the store: both are there for whoever has to stand between
    the worker and what it changes.

    Raises:
        ConfigurationError, StoreUnavailable: the store cannot be opened.
    """
    async with AsyncExitStack() as stack:
        http = Http(transport)
        stack.push_async_callback(http.close)
        store = await opening(config.store_address)
        stack.push_async_callback(store.close)

        def made(loop: LoopSettings) -> LoopParts:
            return replace(loop_parts(loop, http, config.alertmanager), limits=limits_of(loop, store))

        loops = {loop.name: made(loop) for loop in config.loops}
        switch = KillSwitch(config.kill_switch_file, os.environ)
        parts = Parts(loops=loops, store=store, clock=time.time, worker=client.identity, switch=switch)
        metrics, last_run = Metrics(CollectorRegistry()), LastRun()
        metrics.begin((loop.name for loop in config.loops), (names.QUEUE, names.VERIFY_QUEUE))
        workers: list[Worker] = []
        reloading = Reloading(config, loops, made, store.audit, metrics, parts.clock, parts.worker)
        own = {name: component(workers, last_run, activity) for name, activity in STEPS.items()}
        probes = Probes({**own, **remotes(config, client, parts, http)})
        routes = [*webhook(config, client, metrics), *codec(config, client)]
        yield Assembly(
            parts=parts,
            locks=Locks(client),
            metrics=metrics,
            interceptor=MapekInterceptor(metrics, last_run),
            service=app(service_state(config, metrics, probes, routes)),
            workers=workers,
            reloading=reloading,
            sender=Sender(store.notices, lambda: reloading.config, metrics, parts.clock, os.environ),
        )


def loop_parts(settings: LoopSettings, http: Http, alerts: AlertmanagerSettings | None = None) -> LoopParts:
    """Return the remotes of one loop, all over the one shared HTTP client; without `alerts` no Alertmanager."""
    monitor, execute = settings.monitor, settings.execute
    return LoopParts(
        settings=settings,
        prometheus=PrometheusClient(http, monitor.prometheus_url, monitor.timeout_seconds),
        charter=CharterClient(http, execute.charter_url, charter_token(execute)),
        alertmanager=AlertmanagerClient(http, alerts.url, ASK_ALERTMANAGER) if alerts and alerts.enabled else None,
        silences_required=alerts is not None and alerts.silences_required,
    )


def limits_of(settings: LoopSettings, store: Store) -> Limits | None:
    """Return the adaptive limits of one loop, None if all its metrics have hand-set ones."""
    adaptive = any(rule.adaptive for rule in rules_of(settings.monitor))
    return Limits(store.snapshots, settings.name, time.time) if adaptive else None


def webhook(config: Config, client: Client, metrics: Metrics) -> list[Route]:
    """Return the door for alerts, none if alerts are switched off.

    Raises:
        ConfigurationError: anybody could post alerts, and nobody said that this is meant.
    """
    api, alerts = config.api, config.alertmanager
    if not alerts.enabled:
        return []
    tokens = operate_tokens(api)
    for token in tokens:
        token()
    if not (tokens or api.allow_anonymous_alerts or api.tls_client_ca_file):
        raise ConfigurationError(
            "api.webhook_token_file: without it anybody could post alerts; name a file with a token, or set "
            "api.allow_anonymous_alerts true on loopback, or alertmanager.enabled false"
        )
    ways = {
        loop.name: HandOver(
            to_intake(client, LoopState(loop=loop.name, links=config.links_of(loop)), metrics), alerts.debounce_seconds
        )
        for loop in config.loops
    }
    door = Webhook(Gate(tokens), Delivery(ways, alerts.routes, config.loops[0].name), metrics)
    return [Route(alerts.webhook_path, door.post, methods=["POST"])]


def codec(config: Config, client: Client) -> list[Mount]:
    """Return the door through which the Temporal UI reads what is encrypted, none if nothing is."""
    return codec_routes(client.data_converter.payload_codec, view_of(config.api), config.temporal.ui_url)


def view_of(api: ApiSettings) -> Gate:
    """Return the gate of role view."""
    return view_gate(api.host, [*operate_tokens(api), *tokens_in(api.view_token_file)])


def service_state(config: Config, metrics: Metrics, probes: Probes, routes: Sequence[BaseRoute]) -> ServiceState:
    """Return what the HTTP service shows."""
    return ServiceState(
        version=version("mapek"),
        started=time.monotonic(),
        probes=probes,
        registry=metrics.registry if config.staging.collect_metrics else None,
        view=view_of(config.api),
        cors=config.api.cors_enabled,
        debug=config.api.debug,
        routes=routes,
    )


def operate_tokens(api: ApiSettings) -> list[Callable[[], str]]:
    """Return what gives the tokens of role operate, at each call: the one in use, and the one before it."""
    return tokens_in(api.webhook_token_file, api.webhook_old_token_file)


def tokens_in(*files: Path | None) -> list[Callable[[], str]]:
    """Return what gives the tokens of the files that are set."""
    return [token_of(file) for file in files if file is not None]


def remotes(config: Config, client: Client, parts: Parts, http: Http) -> dict[str, Probe]:
    """Return the probes of everything this process talks to; of several loops the first failing one is told."""
    loops = tuple(parts.loops.values())
    probes = {
        "temporal": temporal_probe(client, config.temporal.address),
        "knowledge": well(parts.store.ready, "the store can be read"),
        "prometheus": all_well([loop.prometheus.ready for loop in loops], "ready"),
        "charter": all_well([loop.charter.health for loop in loops], "healthy"),
    }
    if config.alertmanager.enabled:
        probes["alertmanager"] = well(AlertmanagerClient(http, config.alertmanager.url).ready, "ready")
    return probes
