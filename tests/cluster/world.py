"""A Temporal cluster and the store on PostgreSQL, two workers on it that encrypt, as a test sees and kills them."""

import base64
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from temporalio.client import Client

from activities.clients.store.store import Store, open_store
from deploy.local import process
from deploy.local.cluster import Cluster, running_cluster
from deploy.local.layout import merge
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.process import Child
from deploy.local.stack import StackOptions, running_stack
from tests.end_to_end.conftest import BRISK
from tests.end_to_end.waiting import wait_until
from tests.end_to_end.world import World
from worker.encryption import converter

NAMESPACE = "mapek"
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
    began = time.time()
    async with running_cluster(binaries, folder) as cluster:
        os.environ["MAPEK_POSTGRES_URL"] = cluster.store_url
        keys = folder / "encryption-keys"
        keys.write_text(f"cluster {base64.b64encode(os.urandom(32)).decode()}\n")
        temporal = {"address": cluster.address, "namespace": NAMESPACE, "ui_url": "http://127.0.0.1:8233"}
        temporal["encryption_key_file"] = str(keys)
        settings = merge(BRISK, {"temporal": temporal, "knowledge": {"database": "postgres"}})
        options = StackOptions(state=folder / "state", profile="demo", settings=settings, say=lambda _: None)
        ports = Ports()
        try:
            async with running_stack(options) as stack, connected(cluster, keys) as (client, store):
                second = second_worker(stack.state.config_file, folder, ports.take(8101))
                async with httpx.AsyncClient(base_url=stack.addresses.charter, trust_env=False, timeout=5.0) as charter:
                    world = World(stack, client, charter, store)
                    try:
                        await second.start()
                        await world.rest()
                        yield Clustered(world, cluster, second, began)
                    finally:
                        await second.kill()
        finally:
            ports.close()
            del os.environ["MAPEK_POSTGRES_URL"]


@asynccontextmanager
async def connected(cluster: Cluster, keys: Path) -> AsyncIterator[tuple[Client, Store]]:
    """Connections to Temporal, which holds nothing readable, and to the store."""
    client = await Client.connect(cluster.address, namespace=NAMESPACE, data_converter=converter(keys))
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
