"""A Temporal cluster and the store on PostgreSQL, as a test sees and kills them.

The two workers encrypt, speak TLS, and show an API key that may write in their namespace and no more.
"""

import base64
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from temporalio.client import Client
from temporalio.service import TLSConfig

from activities.clients.store.store import Store, open_store
from deploy.devstack import process
from deploy.devstack.cluster import FrontendSecurity, TemporalCluster, running_cluster
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.process import ChildProcess
from deploy.devstack.stack import StackOptions, running_stack
from tests.cluster.api_key_issuer import ApiKeyIssuer, published_key
from tests.end_to_end.conftest import SHORT_SETTINGS
from tests.support.stack import StackHarness
from tests.support.waiting import wait_until
from tests.worker.http.test_tls import make_certificate
from worker.config.document import deep_merge
from worker.temporal.payload_codec import build_data_converter

NAMESPACE = "mapek"
ENCRYPTION_KEYS_FILE = "encryption-keys"
READY_TIMEOUT_SECONDS = 60.0
"""Seconds a worker may take to be ready."""


@dataclass
class SecondWorker:
    """The second worker: a process of its own with the first one's configuration, but for its port."""

    config: Path
    url: str
    log: Path
    child: ChildProcess | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        argv = [sys.executable, "-m", "worker.cli.main", "--config", str(self.config), "worker"]
        self.child = await process.start("worker-2", argv, self.log, os.environ)
        await wait_until("the second worker is ready", self._is_ready, READY_TIMEOUT_SECONDS)

    async def kill(self) -> None:
        """SIGKILL."""
        if self.child:
            await self.child.kill()

    async def _is_ready(self) -> bool:
        assert self.child, "it was started"
        assert self.child.is_running, process.append_log_tail("the second worker ended", self.child)
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{self.url}/ready", timeout=2.0)).status_code == 200
            except httpx.HTTPError:
                return False


@dataclass
class ClusterHarness:
    """Everything: `kills` are the ways to kill and to start again each of the four processes."""

    harness: StackHarness
    cluster: TemporalCluster
    second_worker: SecondWorker
    issuer: ApiKeyIssuer
    started_at: float

    @property
    def kill_and_restart(self) -> Mapping[str, tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]]:
        """How each process is killed with SIGKILL, and how it is started again."""
        stack = self.harness.stack
        return {
            "worker": (lambda: stack.kill("worker"), lambda: stack.start_service("worker")),
            "second worker": (self.second_worker.kill, self.second_worker.start),
            "temporal": (self.cluster.kill, self.cluster.start),
            "postgres": (self.cluster.postgres.kill, self.cluster.postgres.start),
        }


@asynccontextmanager
async def running_cluster_harness(binaries: Mapping[str, Path], folder: Path) -> AsyncIterator[ClusterHarness]:
    """The cluster, prepared by `mapek bootstrap`, with two workers, for the length of a block."""
    began, issuer = time.time(), ApiKeyIssuer("issuer")
    async with AsyncExitStack() as opened:
        jwks_url = opened.enter_context(published_key(issuer, folder / "published"))
        guard = FrontendSecurity(*make_certificate(folder, "frontend"), jwks_url)
        cluster = await opened.enter_async_context(running_cluster(binaries, folder, guard))
        settings, store_url = build_settings(cluster, folder), cluster.store_url
        environment = environment_variables(
            MAPEK_POSTGRES_URL=store_url, TEMPORAL_TLS_SERVER_CA_CERT_PATH=guard.certificate
        )
        opened.enter_context(environment)
        with environment_variables(TEMPORAL_API_KEY=issuer.issue_token(f"{NAMESPACE}:admin")):
            await run_bootstrap(settings, folder)
        key = issuer.issue_token(f"{NAMESPACE}:write")
        opened.enter_context(environment_variables(TEMPORAL_API_KEY=key))
        options = StackOptions(state_dir=folder / "state", profile="demo", settings=settings, report=lambda _: None)
        stack = await opened.enter_async_context(running_stack(options))
        client, store = await opened.enter_async_context(open_connections(cluster, folder, key))
        charter = httpx.AsyncClient(base_url=stack.addresses.charter, trust_env=False, timeout=5.0)
        world = StackHarness(stack, client, await opened.enter_async_context(charter), store)
        ports = opened.enter_context(closing(PortAllocator()))
        second = build_second_worker(stack.state.config_file, folder, ports.allocate(8101))
        opened.push_async_callback(second.kill)
        await second.start()
        await world.restore_healthy()
        yield ClusterHarness(world, cluster, second, issuer, began)


def build_settings(cluster: TemporalCluster, folder: Path) -> dict[str, Any]:
    """Return what the loop is told, besides its usual brisk timings; the keys of its encryption are made."""
    keys = folder / ENCRYPTION_KEYS_FILE
    keys.write_text(f"cluster {base64.b64encode(os.urandom(32)).decode()}\n")
    temporal = {"address": cluster.address, "namespace": NAMESPACE, "ui_url": "http://127.0.0.1:8233"}
    temporal["encryption_key_file"] = str(keys)
    # In production mode, where fewer samples than five are refused.
    verifying = {"verify": {"samples": 5}}
    return deep_merge(
        SHORT_SETTINGS, {"temporal": temporal, "knowledge": {"database": "postgres"}, "execute": verifying}
    )


@contextmanager
def environment_variables(**values: object) -> Iterator[None]:
    """Set environment variables for the length of a block, for whatever is started in it."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update({name: str(value) for name, value in values.items()})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


async def run_bootstrap(settings: Mapping[str, Any], folder: Path) -> None:
    """Make the namespace and what is in it, as whoever may."""
    config, log = folder / "first.yaml", folder / "bootstrap-first.log"
    config.write_text(yaml.safe_dump(dict(settings)))
    assert await run_mapek(config, log, "bootstrap") == 0, process.last_lines(log)


async def run_mapek(config: Path, log: Path, *args: str) -> int | None:
    """Run a command of `mapek` to its end and return how it exits."""
    return await process.run(
        [sys.executable, "-m", "worker.cli.main", "--config", str(config), *args], log, READY_TIMEOUT_SECONDS
    )


@asynccontextmanager
async def open_connections(cluster: TemporalCluster, folder: Path, key: str) -> AsyncIterator[tuple[Client, Store]]:
    """Connections to Temporal, which holds nothing readable, and to the store."""
    client = await Client.connect(
        cluster.address,
        namespace=NAMESPACE,
        tls=TLSConfig(cluster.security.certificate.read_bytes()),
        api_key=key,
        data_converter=build_data_converter(folder / ENCRYPTION_KEYS_FILE),
    )
    store = await open_store(cluster.store_url)
    try:
        yield client, store
    finally:
        await store.close()


def build_second_worker(config: Path, folder: Path, port: int) -> SecondWorker:
    """The second worker, its configuration written and nothing started."""
    settings = yaml.safe_load(config.read_text())
    settings["api"]["port"] = port
    settings["logging"]["file"] = str(folder / "mapek-2.log")
    own = folder / "second.yaml"
    own.write_text(yaml.safe_dump(settings))
    return SecondWorker(own, f"http://{LOOPBACK}:{port}", folder / "worker-2.log")
