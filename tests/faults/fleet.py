"""The servers of a soak: one Temporal, one store, and several Charters with a Prometheus each, on real processes.

Between the worker and everything it talks to stands a proxy. The worker is started with failpoints, and can be killed,
frozen and doubled.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig

from activities.clients.store.store import Store, open_store
from activities.model.mode import Mode, ModeName
from deploy.local import binaries, process
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.process import Child
from deploy.local.render import ROOT
from deploy.local.stack import RunningStack, StackOptions, running_stack
from tests.end_to_end.waiting import wait_until
from tests.faults.alerting import Alerting, route
from tests.faults.census import Census
from tests.faults.failpoints import FOLDER, Failpoints
from tests.faults.patience import Bounded
from tests.faults.proxy import Fault, HttpProxy, TcpProxy
from tests.faults.sites import READY, Places, Site, entries, site_of, start_site
from tests.faults.worker import STANDBY

PERIOD = 3.0
"""Seconds between two cycles of a loop."""
DOORS = 6
"""Ports that workers take in turn for their webhook: never two that live at the same time the same one."""
SETTINGS: Mapping[str, Any] = {
    "orchestrator": {"loop_interval": int(PERIOD)},
    "plan": {
        "settle_seconds": 4,
        "cooldown": {"kept": 15, "no_effect": 6, "rolled_back": 15},
        "approval": {"from_risk": "medium", "deadline_seconds": 30},
        # The same few things are broken for an hour, and some remedies are meant to fail.
        "rates": {
            "knob_per_hour": 1000,
            "knob_per_day": 10_000,
            "loop_per_hour": 2000,
            "share_at_once": 1.0,
            "reverse_seconds": 0,
            "away_seconds": 0,
        },
        "oscillation": {"reversals": 999, "failures": 999, "relapses": 999, "foreign_seconds": 0},
        "storm": {"unexplained": 1.0, "ill": 1.0},
    },
    "knowledge": {"autonomy": {"pinned": [{"level": "auto"}]}},
    "execute": {"timeout_seconds": 3, "verify": {"delay": 8, "samples": 3, "passes": 3}},
    "performance": {"max_concurrent_analyses": 30},
}
"""On top of the demo's timings. A verification begins when a whole rate window (5 s) shows a new member (3 s)."""


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
    `doors` are the ports of their webhooks. `away` are the times (unix) from a kill until a worker served again.
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
        argv = (*prefix, sys.executable, "-m", "tests.faults.worker")
        log = self.stack.state.logs / f"worker-{self.starts}.log"
        return Worker(await process.start(name, argv, log, {**os.environ, **own, **environ}, ROOT), port, go)

    async def kill_worker(self, name: str = "first") -> None:
        """End a worker with SIGKILL; returns when it is gone. Alerts go to one that is left."""
        await self.workers[name].child.kill()
        self.down()
        if self.alive:
            self.alerting.to_webhook.target = (LOOPBACK, self.workers[self.alive[0]].port)

    async def dead(self, name: str = "first") -> None:
        """Return when a worker has ended, whoever ended it."""
        await self.workers[name].child.wait()

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


@asynccontextmanager
async def fleet(
    state: Path, sites: Sequence[tuple[str, Sequence[str]]], seed: int, say: Callable[[str, Fault], None]
) -> AsyncIterator[Fleet]:
    """Give everything but a worker, for the length of a block; nothing of it is left afterwards.

    `sites` are the Charters by name, each with the names of its loops. `say` hears of every fault of a proxy.
    """
    async with AsyncExitStack() as cleanup:
        ports = Ports()
        cleanup.callback(ports.close)
        built = [await site_of(cleanup, ports, name, loops, say) for name, loops in sites]
        stack = await cleanup.enter_async_context(running_stack(options(state, built)))
        await asyncio.gather(*(start_site(cleanup, stack, site, places, seed) for site, places in built))
        to_temporal = TcpProxy(stack.addresses.temporal, lambda fault: say("temporal", fault))
        temporal = await cleanup.enter_async_context(to_temporal.listening())
        store = await open_store(stack.layout.setting("knowledge.sqlite_path"))
        cleanup.push_async_callback(store.close)
        client = await connected(stack)
        running = Fleet(
            stack=stack,
            client=client,
            census=Census(client),
            alerting=await alerting(cleanup, stack, say),
            doors=tuple(ports.take(8005) for _ in range(DOORS)),
            store=store,
            sites=tuple(site for site, _ in built),
            points=Failpoints(stack.state.path / "failpoints"),
            to_temporal=to_temporal,
            temporal=temporal,
        )
        cleanup.push_async_callback(end_workers, running)
        yield running


def options(state: Path, built: Sequence[tuple[Site, Places]]) -> StackOptions:
    """Return what all sites share: Temporal, Alertmanager, and the configuration with every loop."""
    return StackOptions(
        state=state,
        profile="demo",
        settings={
            **SETTINGS,
            "loops": [entry for site, places in built for entry in entries(site, places)],
            "alertmanager": {"routes": [route(site.name, site.loops[0]) for site, _ in built]},
        },
        parts=frozenset({"temporal", "alertmanager", "bootstrap"}),
        say=lambda _: None,
    )


async def connected(stack: RunningStack) -> Client:
    """Return a client at the server itself, of which every call is bounded."""
    return await Client.connect(
        stack.addresses.temporal,
        data_converter=pydantic_data_converter,
        interceptors=[Bounded()],
        # A server that is killed on purpose is not worth a line for each call.
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    )


async def alerting(cleanup: AsyncExitStack, stack: RunningStack, say: Callable[[str, Fault], None]) -> Alerting:
    """Return the Alertmanager, which posts to where the stack thinks the worker is: there is the proxy."""
    to_webhook = HttpProxy(f"{LOOPBACK}:0", lambda fault: say("webhook", fault))
    await cleanup.enter_async_context(to_webhook.listening(urlsplit(stack.addresses.mapek).port or 0))
    http = httpx.AsyncClient(base_url=stack.addresses.alertmanager, trust_env=False, timeout=10)
    return Alerting(await cleanup.enter_async_context(http), to_webhook)


async def end_workers(running: Fleet) -> None:
    """Kill whatever worker is left, frozen ones included."""
    for name in running.alive:
        await running.kill_worker(name)
    if running.standby:
        await running.standby.child.kill()


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
