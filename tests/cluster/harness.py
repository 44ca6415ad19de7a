"""A Temporal cluster and the store on PostgreSQL with two workers, for tests that kill them.

The workers encrypt, use TLS, and have an API key with write permission in their namespace only.
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
"""Maximum until a worker is ready."""


@dataclass
class SecondWorker:
    """The second worker: a process with the first one's configuration and another port."""

    config: Path
    url: str
    log: Path
    child: ChildProcess | None = None

    async def start(self) -> None:
        """Start the worker and wait until it is ready."""
        argv = [sys.executable, "-m", "worker.cli.main", "--config", str(self.config), "worker"]
        self.child = await process.start("worker-2", argv, self.log, os.environ)
        await wait_until("the second worker is ready", self._is_ready, READY_TIMEOUT_SECONDS)

    async def kill(self) -> None:
        """Kill the worker with SIGKILL."""
        if self.child:
            await self.child.kill()

    async def _is_ready(self) -> bool:
        assert self.child, "the worker was not started"
        assert self.child.is_running, process.append_log_tail("the second worker ended", self.child)
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{self.url}/ready", timeout=2.0)).status_code == 200
            except httpx.HTTPError:
                return False


@dataclass
class ClusterHarness:
    """The cluster with stack, second worker and issuer of API keys."""

    harness: StackHarness
    cluster: TemporalCluster
    second_worker: SecondWorker
    issuer: ApiKeyIssuer
    started_at: float

    @property
    def kill_and_restart(self) -> Mapping[str, tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]]:
        """For each process the functions that kill it with SIGKILL and restart it."""
        stack = self.harness.stack
        return {
            "worker": (lambda: stack.kill("worker"), lambda: stack.start_service("worker")),
            "second worker": (self.second_worker.kill, self.second_worker.start),
            "temporal": (self.cluster.kill, self.cluster.start),
            "postgres": (self.cluster.postgres.kill, self.cluster.postgres.start),
        }


@asynccontextmanager
async def running_cluster_harness(binaries: Mapping[str, Path], folder: Path) -> AsyncIterator[ClusterHarness]:
    """Run the bootstrapped cluster with two workers for the duration of a block."""
    started_at, issuer = time.time(), ApiKeyIssuer("issuer")
    async with AsyncExitStack() as cleanup:
        jwks_url = cleanup.enter_context(published_key(issuer, folder / "published"))
        security = FrontendSecurity(*make_certificate(folder, "frontend"), jwks_url)
        cluster = await cleanup.enter_async_context(running_cluster(binaries, folder, security))
        settings, store_url = build_settings(cluster, folder), cluster.store_url
        environment = environment_variables(
            MAPEK_POSTGRES_URL=store_url, TEMPORAL_TLS_SERVER_CA_CERT_PATH=security.certificate
        )
        cleanup.enter_context(environment)
        with environment_variables(TEMPORAL_API_KEY=issuer.issue_token(f"{NAMESPACE}:admin")):
            await run_bootstrap(settings, folder)
        key = issuer.issue_token(f"{NAMESPACE}:write")
        cleanup.enter_context(environment_variables(TEMPORAL_API_KEY=key))
        options = StackOptions(state_dir=folder / "state", profile="demo", settings=settings, report=lambda _: None)
        stack = await cleanup.enter_async_context(running_stack(options))
        client, store = await cleanup.enter_async_context(open_connections(cluster, folder, key))
        charter = httpx.AsyncClient(base_url=stack.addresses.charter, trust_env=False, timeout=5.0)
        harness = StackHarness(stack, client, await cleanup.enter_async_context(charter), store)
        ports = cleanup.enter_context(closing(PortAllocator()))
        second = build_second_worker(stack.state.config_file, folder, ports.allocate(8101))
        cleanup.push_async_callback(second.kill)
        await second.start()
        await harness.restore_healthy()
        yield ClusterHarness(harness, cluster, second, issuer, started_at)


def build_settings(cluster: TemporalCluster, folder: Path) -> dict[str, Any]:
    """Return the loop's settings with short timings, and write its encryption keys."""
    keys = folder / ENCRYPTION_KEYS_FILE
    keys.write_text(f"cluster {base64.b64encode(os.urandom(32)).decode()}\n")
    temporal = {"address": cluster.address, "namespace": NAMESPACE, "ui_url": "http://127.0.0.1:8233"}
    temporal["encryption_key_file"] = str(keys)
    # Production mode refuses fewer than five samples.
    execute = {"verify": {"samples": 5}}
    settings: dict[str, Any] = deep_merge(
        SHORT_SETTINGS, {"temporal": temporal, "knowledge": {"database": "postgres"}, "execute": execute}
    )
    return settings


@contextmanager
def environment_variables(**values: object) -> Iterator[None]:
    """Set environment variables for the duration of a block."""
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
    """Create the namespace and its contents with an admin key."""
    config, log = folder / "first.yaml", folder / "bootstrap-first.log"
    config.write_text(yaml.safe_dump(dict(settings)))
    assert await run_mapek(config, log, "bootstrap") == 0, process.last_lines(log)


async def run_mapek(config: Path, log: Path, *args: str) -> int | None:
    """Run a `mapek` command to its end and return its exit code."""
    return await process.run(
        [sys.executable, "-m", "worker.cli.main", "--config", str(config), *args], log, READY_TIMEOUT_SECONDS
    )


@asynccontextmanager
async def open_connections(cluster: TemporalCluster, folder: Path, key: str) -> AsyncIterator[tuple[Client, Store]]:
    """Connect to Temporal with decryption, and to the store."""
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
    """Write the second worker's configuration and return the worker, not started."""
    settings = yaml.safe_load(config.read_text())
    settings["api"]["port"] = port
    settings["logging"]["file"] = str(folder / "mapek-2.log")
    own_config = folder / "second.yaml"
    own_config.write_text(yaml.safe_dump(settings))
    return SecondWorker(own_config, f"http://{LOOPBACK}:{port}", folder / "worker-2.log")
