"""The services of the stack: the command and the readiness check of each."""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from deploy.devstack.fetch import WEB_ASSETS_DIR
from deploy.devstack.layout import StackLayout
from deploy.devstack.ports import LOOPBACK
from deploy.devstack.render import compute_lookback
from deploy.devstack.state import StateDirectory
from deploy.devstack.versions import Binary

_PROBE_TIMEOUT_SECONDS = 2.0  # for one readiness check
# By default a history shard polls its queue 20 times a second. The dev server has one shard, so every task would wait
# 50 ms.
_TEMPORAL_DYNAMIC_CONFIG = {
    "history.transferProcessorMaxPollRPS": 2000,
    "history.timerProcessorMaxPollRPS": 2000,
    "history.visibilityProcessorMaxPollRPS": 1000,
}
# Without a write-ahead log every write waits for the disk.
_TEMPORAL_SQLITE_PRAGMAS = {"journal_mode": "wal", "synchronous": "1"}
# Environment variables with these prefixes would make MAPE-K bypass the embedded server.
_ENV_PREFIX_BY_SERVICE = {
    "temporal": "TEMPORAL_",
    "prometheus": "PROMETHEUS_",
    "alertmanager": "ALERTMANAGER_",
    "charter": "CHARTER_",
}


@dataclass(frozen=True)
class Service:
    """One process of the stack.

    `ready_check` checks readiness once; None means that the service is ready when it has ended with success.
    """

    name: str
    argv: tuple[str, ...]
    ready_condition: str
    ready_check: Callable[[], Awaitable[bool]] | None = None
    ready_timeout_seconds: float = 60.0
    stop_timeout_seconds: float = 10.0


@dataclass(frozen=True)
class StackPlan:
    """The inputs for building the services of one stack."""

    layout: StackLayout
    state: StateDirectory
    binaries: Mapping[str, Binary]
    seed: int
    http_client: httpx.AsyncClient


def build_service(name: str, plan: StackPlan) -> Service:
    """Return the service with this name."""
    return _SERVICE_BUILDERS[name](plan)


def build_environment(plan: StackPlan) -> dict[str, str]:
    """Return the services' environment: this process's, without variables that bypass embedded servers."""
    bypassing = tuple(prefix for name, prefix in _ENV_PREFIX_BY_SERVICE.items() if name in plan.layout.embedded)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(bypassing)}
    stack = {"MAPEK_CONFIG": str(plan.state.config_file), "MAPEK_STATE": str(plan.state.path)}
    return {**kept, **stack, "PYTHONUNBUFFERED": "1"}


def _build_temporal(plan: StackPlan) -> Service:
    addresses = plan.layout.addresses
    options = {
        "--db-filename": str(plan.state.path / "temporal.db"),
        "--ip": LOOPBACK,
        "--port": addresses.temporal.rpartition(":")[2],
        "--ui-port": _parse_port(addresses.temporal_ui),
        "--namespace": addresses.namespace,
        "--log-level": "warn",
    }
    pairs = [
        *options.items(),
        *(("--dynamic-config-value", f"{key}={value}") for key, value in _TEMPORAL_DYNAMIC_CONFIG.items()),
        *(("--sqlite-pragma", f"{key}={value}") for key, value in _TEMPORAL_SQLITE_PRAGMAS.items()),
    ]
    argv = [str(plan.binaries["temporal"].path), "server", "start-dev", *(part for pair in pairs for part in pair)]
    condition = f"a healthy answer from {addresses.temporal} with namespace {addresses.namespace}"
    return Service("temporal", tuple(argv), condition, lambda: _is_temporal_ready(plan))


def _build_prometheus(plan: StackPlan) -> Service:
    url, folder = plan.layout.addresses.prometheus, plan.state.path / "prometheus"
    binary = plan.binaries["prometheus"].path
    pages = binary.with_name(WEB_ASSETS_DIR)
    argv = (
        str(binary),
        *([f"--web.local-assets={pages}"] if pages.is_dir() else []),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={urlsplit(url).netloc}",
        f"--query.lookback-delta={compute_lookback(plan.layout)}",
    )
    return _build_http_service("prometheus", argv, f"{url}/-/ready", plan)


def _build_alertmanager(plan: StackPlan) -> Service:
    url, folder = plan.layout.addresses.alertmanager, plan.state.path / "alertmanager"
    argv = (
        str(plan.binaries["alertmanager"].path),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={urlsplit(url).netloc}",
        # Empty disables the cluster, which would listen on all interfaces.
        "--cluster.listen-address=",
    )
    return _build_http_service("alertmanager", argv, f"{url}/-/ready", plan)


def _build_charter(plan: StackPlan) -> Service:
    url = plan.layout.addresses.charter
    argv = (
        *(sys.executable, "-m", "deploy.simulator", "--host", LOOPBACK, "--port", _parse_port(url)),
        *("--token-file", str(plan.layout.get_setting("execute.charter_api_key_file"))),
        *("--control-api", "--seed", str(plan.seed)),
        *("--simulate-failures", str(parse_failure_rate(plan.layout.get_setting("staging.simulate_failures")))),
    )
    return _build_http_service("charter", argv, f"{url}/health", plan)


def parse_failure_rate(setting: object) -> float:
    """Return the fraction of failing calls (0 to 1) of `staging.simulate_failures`; true is 0.05."""
    if isinstance(setting, bool) or setting is None:
        return 0.05 if setting else 0.0
    return float(str(setting))


def _build_bootstrap(_plan: StackPlan) -> Service:
    return Service("bootstrap", (sys.executable, "-m", "worker.cli.main", "bootstrap"), "exit code 0")


def _build_worker(plan: StackPlan) -> Service:
    argv = (sys.executable, "-m", "worker.cli.main", "worker")
    return _build_http_service("worker", argv, f"{plan.layout.addresses.mapek}/ready", plan)


_SERVICE_BUILDERS: dict[str, Callable[[StackPlan], Service]] = {
    "temporal": _build_temporal,
    "prometheus": _build_prometheus,
    "alertmanager": _build_alertmanager,
    "charter": _build_charter,
    "bootstrap": _build_bootstrap,
    "worker": _build_worker,
}


def _build_http_service(name: str, argv: tuple[str, ...], url: str, plan: StackPlan) -> Service:
    async def is_ready() -> bool:
        try:
            response = await plan.http_client.get(url, timeout=_PROBE_TIMEOUT_SECONDS)
        except httpx.HTTPError:
            return False
        return response.status_code == httpx.codes.OK

    return Service(name, argv, f"200 from {url}", is_ready)


async def _is_temporal_ready(plan: StackPlan) -> bool:
    addresses = plan.layout.addresses
    try:
        client = await Client.connect(addresses.temporal, namespace=addresses.namespace)
        request = DescribeNamespaceRequest(namespace=addresses.namespace)
        await client.workflow_service.describe_namespace(request)
        return await client.service_client.check_health()
    except (RPCError, RuntimeError):
        return False


def _parse_port(url: str) -> str:
    return str(urlsplit(url).port)
