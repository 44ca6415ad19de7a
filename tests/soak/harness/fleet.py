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
from activities.model.mode import LoopMode, Mode
from deploy.devstack import binaries, process
from deploy.devstack.ports import LOOPBACK
from deploy.devstack.process import ChildProcess
from deploy.devstack.render import REPOSITORY_ROOT
from deploy.devstack.stack import RunningStack
from tests.soak.faults.failpoints import FOLDER_VARIABLE, Failpoints
from tests.soak.faults.proxy import TcpProxy
from tests.soak.harness.alertmanager import SoakAlertmanager
from tests.soak.harness.in_flight import RemediationList
from tests.soak.harness.sites import READY_TIMEOUT_SECONDS, Site
from tests.soak.harness.worker import STANDBY_VARIABLE
from tests.support.waiting import wait_until

PERIOD_SECONDS = 3.0
"""Seconds between two cycles of a loop."""


@dataclass(frozen=True)
class WorkerProcess:
    """The process of a worker, its port, and the file that lets it begin; None for one that did not wait."""

    child: ChildProcess
    port: int
    start_file: Path | None = None


@dataclass
class Fleet:
    """Everything that runs, and the hands on it.

    `temporal` is the address of the proxy before the server; `workers` are the ones that were started, by a name;
    `doors` are the ports of their webhooks. `away` are the times (unix) in which no worker could serve.
    """

    stack: RunningStack
    client: Client
    remediation_list: RemediationList
    alertmanager: SoakAlertmanager
    webhook_ports: tuple[int, ...]
    store: Store
    sites: tuple[Site, ...]
    failpoints: Failpoints
    temporal_proxy: TcpProxy
    temporal_address: str
    workers: dict[str, WorkerProcess] = field(default_factory=dict)
    standby: WorkerProcess | None = None
    start_count: int = 0
    outages: list[tuple[float, float]] = field(default_factory=list)
    down_since: float = 0.0

    @property
    def store_file(self) -> str:
        """The store's SQLite file."""
        return str(self.stack.layout.get_setting("knowledge.sqlite_path"))

    @property
    def live_workers(self) -> list[str]:
        """The names of the workers that run."""
        return [name for name, worker in self.workers.items() if worker.child.is_running]

    async def start_worker(self, name: str = "first", **environ: str) -> None:
        """Let a worker begin, one that has loaded already if there is one and nothing is asked for."""
        if environ or self.standby is None:
            self.workers[name] = await self.launch_worker(name, None, (), environ)
        else:
            self.workers[name], self.standby = self.standby, None
            if (go := self.workers[name].start_file) is not None:
                go.touch()
        self.alertmanager.webhook_proxy.target = (LOOPBACK, self.workers[name].port)

    async def preload_worker(self, prefix: Sequence[str] = ()) -> None:
        """Load the next worker, so that it can begin at once; with a `prefix` to its command in place of another."""
        if prefix and self.standby:
            await self.standby.child.kill()
            self.standby = None
        if self.standby is None:
            go = self.stack.state.path / f"go-{self.start_count}"
            self.standby = await self.launch_worker("next", go, prefix, {STANDBY_VARIABLE: str(go)})

    async def launch_worker(
        self, name: str, start_file: Path | None, prefix: Sequence[str], environ: Mapping[str, str]
    ) -> WorkerProcess:
        """Start the process of a worker, with a log and a port of its own; `prefix` is put before its command."""
        self.start_count += 1
        port = self.webhook_ports[self.start_count % len(self.webhook_ports)]
        own = {
            "MAPEK_CONFIG": str(self.stack.state.config_file),
            "MAPEK_STATE": str(self.stack.state.path),
            "TEMPORAL_ADDRESS": self.temporal_address,
            "MAPEK__API__PORT": str(port),
            FOLDER_VARIABLE: str(self.failpoints.folder),
            "PYTHONUNBUFFERED": "1",
        }
        argv = (*prefix, sys.executable, "-m", "tests.soak.harness.worker")
        log = self.stack.state.logs / f"worker-{self.start_count}.log"
        return WorkerProcess(
            await process.start(name, argv, log, {**os.environ, **own, **environ}, REPOSITORY_ROOT), port, start_file
        )

    async def kill_worker(self, name: str = "first") -> None:
        """End a worker with SIGKILL; returns when it is gone. Alerts go to one that is left."""
        await self.workers[name].child.kill()
        self.mark_down()
        if self.live_workers:
            self.alertmanager.webhook_proxy.target = (LOOPBACK, self.workers[self.live_workers[0]].port)

    async def kill_server(self) -> None:
        """End the Temporal server with SIGKILL; returns when it is gone."""
        self.mark_down()
        await self.stack.kill("temporal")

    async def start_server(self) -> None:
        """Start the Temporal server upon its file; returns when it answers."""
        await self.stack.start_service("temporal")

    def mark_down(self) -> None:
        """Note that from now on nobody can look at anything, until a worker serves."""
        self.down_since = self.down_since or time.time()

    def mark_up(self) -> None:
        """Note that a worker serves, and the server with it."""
        if self.down_since:
            self.outages.append((self.down_since, time.time()))
            self.down_since = 0.0

    def freeze(self, name: str = "first") -> None:
        """Let a worker stand still."""
        self.mark_down()
        os.killpg(self.workers[name].child.pid, signal.SIGSTOP)

    def unfreeze(self, name: str = "first") -> None:
        """Let a frozen worker go on, wherever it was."""
        os.killpg(self.workers[name].child.pid, signal.SIGCONT)

    async def set_mode(self, site: Site, mode: LoopMode, at: float) -> None:
        """Set the mode of a site's loops."""
        for loop in site.loops:
            await self.store.guards.set_mode(Mode(loop=loop, name=mode, actor="the soak", reason="it wants it", at=at))


async def skewed_clock_environment(fleet: Fleet) -> tuple[dict[str, str], Path]:
    """Return the environment of a worker whose clock is off by what a file says (signed seconds), and the file."""
    found = (await binaries.ensure_binaries(["faketime"], report=lambda _: None))["faketime"].resolve()
    library = next(found.parents[1].glob("lib/*/faketime/libfaketimeMT.so.1"))
    file = fleet.stack.state.path / "clock"
    file.write_text("+0")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    return environment, file


async def wait_until_serving(fleet: Fleet, name: str = "first") -> None:
    """Wait until a worker serves. One that ends before that is started again, as a supervisor does it.

    It refuses to start where a server it needs does not answer, and here one often does not.
    """

    async def look() -> bool:
        child = fleet.workers[name].child
        if " serves " in await asyncio.to_thread(child.log_path.read_text) and child.is_running:
            return True
        if not child.is_running:
            await fleet.start_worker(name)
        return False

    await wait_until(f"the worker {name} serves", look, 2 * READY_TIMEOUT_SECONDS, interval=0.5)
    fleet.mark_up()
