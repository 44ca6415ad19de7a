"""The parts of the stack: how each is started, and how it is asked whether it is ready."""

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from deploy.devstack.fetch import WEB
from deploy.devstack.layout import Layout
from deploy.devstack.ports import LOOPBACK
from deploy.devstack.render import prometheus_lookback
from deploy.devstack.state import State

_ASK = 2.0  # seconds for one question
# A history shard polls its queue 20 times a second by default, and the dev server has a single one: without these
# every task waits 50 ms.
_TEMPORAL_POLLS = {
    "history.transferProcessorMaxPollRPS": 2000,
    "history.timerProcessorMaxPollRPS": 2000,
    "history.visibilityProcessorMaxPollRPS": 1000,
}
# Without a write-ahead log every write waits for the disk.
_TEMPORAL_PRAGMAS = {"journal_mode": "wal", "synchronous": "1"}
# Settings in the environment that would lead MAPE-K past the embedded server of that name.
_FOREIGN = {
    "temporal": "TEMPORAL_",
    "prometheus": "PROMETHEUS_",
    "alertmanager": "ALERTMANAGER_",
    "charter": "CHARTER_",
}


@dataclass(frozen=True)
class Part:
    """One process of the stack.

    `ready` asks it once; None for one that is awaited to its end instead. `bound` is how long that may take and
    `grace` how long it may take to end when asked to, both in seconds.
    """

    name: str
    argv: tuple[str, ...]
    waits_for: str
    ready: Callable[[], Awaitable[bool]] | None = None
    bound: float = 60.0
    grace: float = 10.0


@dataclass(frozen=True)
class Blueprint:
    """What the parts of one stack are made from."""

    layout: Layout
    state: State
    binaries: Mapping[str, Path]
    seed: int
    http: httpx.AsyncClient


def part_of(name: str, plan: Blueprint) -> Part:
    """The part of that name."""
    return _MAKERS[name](plan)


def environment(plan: Blueprint) -> dict[str, str]:
    """The environment of all parts: ours, without what would lead past the embedded servers."""
    foreign = tuple(prefix for part, prefix in _FOREIGN.items() if part in plan.layout.embedded)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own = {"MAPEK_CONFIG": str(plan.state.config_file), "MAPEK_STATE": str(plan.state.path)}
    return {**kept, **own, "PYTHONUNBUFFERED": "1"}


def _temporal(plan: Blueprint) -> Part:
    addresses = plan.layout.addresses
    options = {
        "--db-filename": str(plan.state.path / "temporal.db"),
        "--ip": LOOPBACK,
        "--port": addresses.temporal.rpartition(":")[2],
        "--ui-port": _port(addresses.temporal_ui),
        "--namespace": addresses.namespace,
        "--log-level": "warn",
    }
    pairs = [
        *options.items(),
        *(("--dynamic-config-value", f"{key}={value}") for key, value in _TEMPORAL_POLLS.items()),
        *(("--sqlite-pragma", f"{key}={value}") for key, value in _TEMPORAL_PRAGMAS.items()),
    ]
    argv = [str(plan.binaries["temporal"]), "server", "start-dev", *(part for pair in pairs for part in pair)]
    waits_for = f"a healthy answer, with the namespace {addresses.namespace}, on {addresses.temporal}"
    return Part("temporal", tuple(argv), waits_for, lambda: _temporal_ready(plan))


def _prometheus(plan: Blueprint) -> Part:
    url, folder = plan.layout.addresses.prometheus, plan.state.path / "prometheus"
    binary = plan.binaries["prometheus"]
    pages = binary.with_name(WEB)
    argv = (
        str(binary),
        *([f"--web.local-assets={pages}"] if pages.is_dir() else []),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={urlsplit(url).netloc}",
        f"--query.lookback-delta={prometheus_lookback(plan.layout)}",
    )
    return _http_part("prometheus", argv, f"{url}/-/ready", plan)


def _alertmanager(plan: Blueprint) -> Part:
    url, folder = plan.layout.addresses.alertmanager, plan.state.path / "alertmanager"
    argv = (
        str(plan.binaries["alertmanager"]),
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={urlsplit(url).netloc}",
        # Empty: no cluster, or it would listen on all interfaces.
        "--cluster.listen-address=",
    )
    return _http_part("alertmanager", argv, f"{url}/-/ready", plan)


def _charter(plan: Blueprint) -> Part:
    url = plan.layout.addresses.charter
    argv = (
        *(sys.executable, "-m", "deploy.simulator", "--host", LOOPBACK, "--port", _port(url)),
        *("--token-file", str(plan.layout.setting("execute.charter_api_key_file"))),
        *("--sim-doors", "--seed", str(plan.seed)),
        *("--simulate-failures", str(failure_share(plan.layout.setting("staging.simulate_failures")))),
    )
    return _http_part("charter", argv, f"{url}/health", plan)


def failure_share(setting: object) -> float:
    """The share of calls, 0 to 1, that `staging.simulate_failures` wants answered badly; true is one in twenty."""
    if isinstance(setting, bool) or setting is None:
        return 0.05 if setting else 0.0
    return float(str(setting))


def _bootstrap(_plan: Blueprint) -> Part:
    return Part("bootstrap", (sys.executable, "-m", "worker.cli.main", "bootstrap"), "its end")


def _worker(plan: Blueprint) -> Part:
    argv = (sys.executable, "-m", "worker.cli.main", "worker")
    return _http_part("worker", argv, f"{plan.layout.addresses.mapek}/ready", plan)


_MAKERS: dict[str, Callable[[Blueprint], Part]] = {
    "temporal": _temporal,
    "prometheus": _prometheus,
    "alertmanager": _alertmanager,
    "charter": _charter,
    "bootstrap": _bootstrap,
    "worker": _worker,
}


def _http_part(name: str, argv: tuple[str, ...], url: str, plan: Blueprint) -> Part:
    async def ready() -> bool:
        try:
            answer = await plan.http.get(url, timeout=_ASK)
        except httpx.HTTPError:
            return False
        return answer.status_code == httpx.codes.OK

    return Part(name, argv, f"200 from {url}", ready)


async def _temporal_ready(plan: Blueprint) -> bool:
    addresses = plan.layout.addresses
    try:
        client = await Client.connect(addresses.temporal, namespace=addresses.namespace)
        request = DescribeNamespaceRequest(namespace=addresses.namespace)
        await client.workflow_service.describe_namespace(request)
        return await client.service_client.check_health()
    except (RPCError, RuntimeError):
        return False


def _port(url: str) -> str:
    return str(urlsplit(url).port)
