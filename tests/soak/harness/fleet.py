"""What runs in a soak, and the hands on it: the worker, which has failpoints, can be killed, frozen and doubled."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.client import Client

from activities.clients.store.store import Store
from activities.model.mode import Mode, ModeName
from deploy.devstack import binaries, process
from deploy.devstack.ports import LOOPBACK
from deploy.devstack.process import Child
from deploy.devstack.render import ROOT
from deploy.devstack.stack import RunningStack
from tests.soak.faults.failpoints import FOLDER, Failpoints
from tests.soak.faults.proxy import TcpProxy
from tests.soak.harness.alertmanager import Alerting
from tests.soak.harness.in_flight import Census
from tests.soak.harness.sites import READY, Site
from tests.soak.harness.worker import STANDBY
from tests.support.waiting import wait_until

PERIOD = 3.0
"""Seconds between two cycles of a loop."""


@dataclass(frozen=True)
class Worker:
    """The process of a worker, its port, and the file that lets it begin; None for one that did not wait."""

    child: Child
    port: int
    go: Path | None = None


@dataclass
class Fleet:
    """Everything that runs, and the hands on it.

    `temporal` is the address of the proxy before the server; `workers` are the ones that were started, by a name;
    `doors` are the ports of their webhooks. `away` are the times (unix) in which no worker could serve.
    """

    stack: RunningStack
    client: Client
    census: Census
    alerting: Alerting
    doors: tuple[int, ...]
    store: Store
    sites: tuple[Site, ...]
    points: Failpoints
    to_temporal: TcpProxy
    temporal: str
    workers: dict[str, Worker] = field(default_factory=dict)
    standby: Worker | None = None
    starts: int = 0
    away: list[tuple[float, float]] = field(default_factory=list)
    down_since: float = 0.0

    @property
    def store_file(self) -> str:
        """The store's SQLite file."""
        return str(self.stack.layout.setting("knowledge.sqlite_path"))

    @property
    def alive(self) -> list[str]:
        """The names of the workers that run."""
        return [name for name, worker in self.workers.items() if worker.child.running]

    async def start_worker(self, name: str = "first", **environ: str) -> None:
        """Let a worker begin, one that has loaded already if there is one and nothing is asked for."""
        if environ or self.standby is None:
            self.workers[name] = await self.launched(name, None, (), environ)
        else:
            self.workers[name], self.standby = self.standby, None
            if (go := self.workers[name].go) is not None:
                go.touch()
        self.alerting.to_webhook.target = (LOOPBACK, self.workers[name].port)

    async def prepare_worker(self, prefix: Sequence[str] = ()) -> None:
        """Load the next worker, so that it can begin at once; with a `prefix` to its command in place of another."""
        if prefix and self.standby:
            await self.standby.child.kill()
            self.standby = None
        if self.standby is None:
            go = self.stack.state.path / f"go-{self.starts}"
            self.standby = await self.launched("next", go, prefix, {STANDBY: str(go)})

    async def launched(self, name: str, go: Path | None, prefix: Sequence[str], environ: Mapping[str, str]) -> Worker:
        """Start the process of a worker, with a log and a port of its own; `prefix` is put before its command."""
        self.starts += 1
        port = self.doors[self.starts % len(self.doors)]
        own = {
            "MAPEK_CONFIG": str(self.stack.state.config_file),
            "MAPEK_STATE": str(self.stack.state.path),
            "TEMPORAL_ADDRESS": self.temporal,
            "MAPEK__API__PORT": str(port),
            FOLDER: str(self.points.folder),
            "PYTHONUNBUFFERED": "1",
        }
        argv = (*prefix, sys.executable, "-m", "tests.soak.harness.worker")
        log = self.stack.state.logs / f"worker-{self.starts}.log"
        return Worker(await process.start(name, argv, log, {**os.environ, **own, **environ}, ROOT), port, go)

    async def kill_worker(self, name: str = "first") -> None:
        """End a worker with SIGKILL; returns when it is gone. Alerts go to one that is left."""
        await self.workers[name].child.kill()
        self.down()
        if self.alive:
            self.alerting.to_webhook.target = (LOOPBACK, self.workers[self.alive[0]].port)

    async def kill_server(self) -> None:
        """End the Temporal server with SIGKILL; returns when it is gone."""
        self.down()
        await self.stack.kill("temporal")

    async def start_server(self) -> None:
        """Start the Temporal server upon its file; returns when it answers."""
        await self.stack.start_part("temporal")

    def down(self) -> None:
        """Note that from now on nobody can look at anything, until a worker serves."""
        self.down_since = self.down_since or time.time()

    def up(self) -> None:
        """Note that a worker serves, and the server with it."""
        if self.down_since:
            self.away.append((self.down_since, time.time()))
            self.down_since = 0.0

    def freeze(self, name: str = "first") -> None:
        """Let a worker stand still."""
        self.down()
        os.killpg(self.workers[name].child.pid, signal.SIGSTOP)

    def thaw(self, name: str = "first") -> None:
        """Let a frozen worker go on, wherever it was."""
        os.killpg(self.workers[name].child.pid, signal.SIGCONT)

    async def set_mode(self, site: Site, mode: ModeName, at: float) -> None:
        """Set the mode of a site's loops."""
        for loop in site.loops:
            await self.store.guards.set_mode(Mode(loop=loop, name=mode, who="the soak", why="it wants it", at=at))


async def wrong_clock(running: Fleet) -> tuple[dict[str, str], Path]:
    """Return the environment of a worker whose clock is off by what a file says (signed seconds), and the file."""
    found = (await binaries.ensure(["faketime"], say=lambda _: None))["faketime"].resolve()
    library = next(found.parents[1].glob("lib/*/faketime/libfaketimeMT.so.1"))
    file = running.stack.state.path / "clock"
    file.write_text("+0")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return environment, file


async def until_serving(running: Fleet, name: str = "first") -> None:
    """Wait until a worker serves. One that ends before that is started again, as a supervisor does it.

    It refuses to start where a server it needs does not answer, and here one often does not.
    """

    async def look() -> bool:
        child = running.workers[name].child
        if " serves " in await asyncio.to_thread(child.log.read_text) and child.running:
            return True
        if not child.running:
            await running.start_worker(name)
        return False

    await wait_until(f"the worker {name} serves", look, 2 * READY, every=0.5)
    running.up()
