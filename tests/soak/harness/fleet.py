"""The processes of a soak; the worker has failpoints and can be killed, frozen and doubled."""

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
    """The process of a worker, its port, and the file that starts it; None without a standby phase."""

    child: ChildProcess
    port: int
    start_file: Path | None = None


@dataclass
class Fleet:
    """All processes and their controls.

    `temporal_address` is the address of the proxy before the server. `workers` are the started workers by name;
    `webhook_ports` are the ports of their webhooks. `outages` are the times (unix) in which no worker could serve.
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
        """Start a worker: the loaded standby if there is one and no environment is given."""
        if environ or self.standby is None:
            self.workers[name] = await self.launch_worker(name, None, (), environ)
        else:
            self.workers[name], self.standby = self.standby, None
            if (start_file := self.workers[name].start_file) is not None:
                start_file.touch()
        self.alertmanager.webhook_proxy.target = (LOOPBACK, self.workers[name].port)

    async def preload_worker(self, prefix: Sequence[str] = ()) -> None:
        """Load the next worker as a standby. A `prefix` to its command replaces the present standby."""
        if prefix and self.standby:
            await self.standby.child.kill()
            self.standby = None
        if self.standby is None:
            start_file = self.stack.state.path / f"go-{self.start_count}"
            self.standby = await self.launch_worker("next", start_file, prefix, {STANDBY_VARIABLE: str(start_file)})

    async def launch_worker(
        self, name: str, start_file: Path | None, prefix: Sequence[str], environ: Mapping[str, str]
    ) -> WorkerProcess:
        """Start the process of a worker, with its own log and port; `prefix` precedes its command."""
        self.start_count += 1
        port = self.webhook_ports[self.start_count % len(self.webhook_ports)]
        settings = {
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
            await process.start(name, argv, log, {**os.environ, **settings, **environ}, REPOSITORY_ROOT),
            port,
            start_file,
        )

    async def kill_worker(self, name: str = "first") -> None:
        """Kill a worker with SIGKILL and wait for its end. Alerts go to a remaining worker."""
        await self.workers[name].child.kill()
        self.mark_down()
        if self.live_workers:
            self.alertmanager.webhook_proxy.target = (LOOPBACK, self.workers[self.live_workers[0]].port)

    async def kill_server(self) -> None:
        """Kill the Temporal server with SIGKILL and wait for its end."""
        self.mark_down()
        await self.stack.kill("temporal")

    async def start_server(self) -> None:
        """Start the Temporal server with its file and wait until it answers."""
        await self.stack.start_service("temporal")

    def mark_down(self) -> None:
        """Start an outage, which lasts until a worker serves."""
        self.down_since = self.down_since or time.time()

    def mark_up(self) -> None:
        """End the outage: a worker and the server serve."""
        if self.down_since:
            self.outages.append((self.down_since, time.time()))
            self.down_since = 0.0

    def freeze(self, name: str = "first") -> None:
        """Freeze a worker."""
        self.mark_down()
        os.killpg(self.workers[name].child.pid, signal.SIGSTOP)

    def unfreeze(self, name: str = "first") -> None:
        """Unfreeze a worker."""
        os.killpg(self.workers[name].child.pid, signal.SIGCONT)

    async def set_mode(self, site: Site, mode: LoopMode, at: float) -> None:
        """Set the mode of a site's loops."""
        for loop in site.loops:
            await self.store.guards.set_mode(Mode(loop=loop, name=mode, actor="soak", reason="test", at=at))


async def skewed_clock_environment(fleet: Fleet) -> tuple[dict[str, str], Path]:
    """Return the environment of a worker with a skewed clock, and the file of the skew (signed seconds)."""
    faketime = (await binaries.ensure_binaries(["faketime"], report=lambda _: None))["faketime"].path.resolve()
    library = next(faketime.parents[1].glob("lib/*/faketime/libfaketimeMT.so.1"))
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
    """Wait until a worker serves. A worker that ends before is started again, as a supervisor would do.

    A worker refuses to start while a required server does not answer, which is frequent in a soak.
    """

    async def serves() -> bool:
        child = fleet.workers[name].child
        if " serves " in await asyncio.to_thread(child.log_path.read_text) and child.is_running:
            return True
        if not child.is_running:
            await fleet.start_worker(name)
        return False

    await wait_until(f"the worker {name} serves", serves, 2 * READY_TIMEOUT_SECONDS, interval=0.5)
    fleet.mark_up()
