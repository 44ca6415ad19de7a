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
from deploy.devstack.cluster import Cluster, Guard, running_cluster
from deploy.devstack.layout import merge
from deploy.devstack.ports import LOOPBACK, Ports
from deploy.devstack.process import Child
from deploy.devstack.stack import StackOptions, running_stack
from tests.cluster.api_key_issuer import Issuer, publishing
from tests.end_to_end.conftest import BRISK
from tests.support.stack import World
from tests.support.waiting import wait_until
from tests.worker.http.test_tls import certificate
from worker.temporal.payload_codec import converter

NAMESPACE = "mapek"
KEYS = "encryption-keys"
READY = 60.0
"""Seconds a worker may take to be ready."""


@dataclass
class Second:
    """The second worker: a process of its own with the first one's configuration, but for its port."""

    config: Path
    url: str
    log: Path
    child: Child | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        argv = [sys.executable, "-m", "worker.cli.main", "--config", str(self.config), "worker"]
        self.child = await process.start("worker-2", argv, self.log, os.environ)
        await wait_until("the second worker is ready", self._ready, READY)

    async def kill(self) -> None:
        """SIGKILL."""
        if self.child:
            await self.child.kill()

    async def _ready(self) -> bool:
        assert self.child, "it was started"
        assert self.child.running, process.report("the second worker ended", self.child)
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{self.url}/ready", timeout=2.0)).status_code == 200
            except httpx.HTTPError:
                return False


@dataclass
class Clustered:
    """Everything: `kills` are the ways to kill and to start again each of the four processes."""

    world: World
    cluster: Cluster
    second: Second
    issuer: Issuer
    began: float

    @property
    def kills(self) -> Mapping[str, tuple[Callable[[], Awaitable[None]], Callable[[], Awaitable[None]]]]:
        """How each process is killed with SIGKILL, and how it is started again."""
        stack = self.world.stack
        return {
            "worker": (lambda: stack.kill("worker"), lambda: stack.start_part("worker")),
            "second worker": (self.second.kill, self.second.start),
            "temporal": (self.cluster.kill, self.cluster.start),
            "postgres": (self.cluster.postgres.kill, self.cluster.postgres.start),
        }


@asynccontextmanager
async def clustered(binaries: Mapping[str, Path], folder: Path) -> AsyncIterator[Clustered]:
    """The cluster, prepared by `mapek bootstrap`, with two workers, for the length of a block."""
    began, issuer = time.time(), Issuer("issuer")
    async with AsyncExitStack() as opened:
        jwks_url = opened.enter_context(publishing(issuer, folder / "published"))
        guard = Guard(*certificate(folder, "frontend"), jwks_url)
        cluster = await opened.enter_async_context(running_cluster(binaries, folder, guard))
        settings, store_url = settings_for(cluster, folder), cluster.store_url
        environment = variables(MAPEK_POSTGRES_URL=store_url, TEMPORAL_TLS_SERVER_CA_CERT_PATH=guard.certificate)
        opened.enter_context(environment)
        with variables(TEMPORAL_API_KEY=issuer.token(f"{NAMESPACE}:admin")):
            await bootstrap(settings, folder)
        key = issuer.token(f"{NAMESPACE}:write")
        opened.enter_context(variables(TEMPORAL_API_KEY=key))
        options = StackOptions(state=folder / "state", profile="demo", settings=settings, say=lambda _: None)
        stack = await opened.enter_async_context(running_stack(options))
        client, store = await opened.enter_async_context(connected(cluster, folder, key))
        charter = httpx.AsyncClient(base_url=stack.addresses.charter, trust_env=False, timeout=5.0)
        world = World(stack, client, await opened.enter_async_context(charter), store)
        ports = opened.enter_context(closing(Ports()))
        second = second_worker(stack.state.config_file, folder, ports.take(8101))
        opened.push_async_callback(second.kill)
        await second.start()
        await world.rest()
        yield Clustered(world, cluster, second, issuer, began)


def settings_for(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """Return what the loop is told, besides its usual brisk timings; the keys of its encryption are made."""
    keys = folder / KEYS
    keys.write_text(f"cluster {base64.b64encode(os.urandom(32)).decode()}\n")
    temporal = {"address": cluster.address, "namespace": NAMESPACE, "ui_url": "http://127.0.0.1:8233"}
    temporal["encryption_key_file"] = str(keys)
    # In production mode, where fewer samples than five are refused.
    verifying = {"verify": {"samples": 5}}
    return merge(BRISK, {"temporal": temporal, "knowledge": {"database": "postgres"}, "execute": verifying})


@contextmanager
def variables(**values: object) -> Iterator[None]:
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


async def bootstrap(settings: Mapping[str, Any], folder: Path) -> None:
    """Make the namespace and what is in it, as whoever may."""
    config, log = folder / "first.yaml", folder / "bootstrap-first.log"
    config.write_text(yaml.safe_dump(dict(settings)))
    assert await mapek(config, log, "bootstrap") == 0, process.tail(log)


async def mapek(config: Path, log: Path, *args: str) -> int | None:
    """Run a command of `mapek` to its end and return how it exits."""
    return await process.run([sys.executable, "-m", "worker.cli.main", "--config", str(config), *args], log, READY)


@asynccontextmanager
async def connected(cluster: Cluster, folder: Path, key: str) -> AsyncIterator[tuple[Client, Store]]:
    """Connections to Temporal, which holds nothing readable, and to the store."""
    client = await Client.connect(
        cluster.address,
        namespace=NAMESPACE,
        tls=TLSConfig(cluster.guard.certificate.read_bytes()),
        api_key=key,
        data_converter=converter(folder / KEYS),
    )
    store = await open_store(cluster.store_url)
    try:
        yield client, store
    finally:
        await store.close()


def second_worker(config: Path, folder: Path, port: int) -> Second:
    """The second worker, its configuration written and nothing started."""
    settings = yaml.safe_load(config.read_text())
    settings["api"]["port"] = port
    settings["logging"]["file"] = str(folder / "mapek-2.log")
    own = folder / "second.yaml"
    own.write_text(yaml.safe_dump(settings))
    return Second(own, f"http://{LOOPBACK}:{port}", folder / "worker-2.log")
