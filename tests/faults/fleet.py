"""The servers of a soak: one Temporal, one store, and several Charters with a Prometheus each, on real processes.

Between the worker and everything it talks to stands a proxy. The worker is started with failpoints, and can be killed,
frozen and doubled.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig

from activities.clients.store.store import Store, open_store
from activities.model.mode import Mode, ModeName
from deploy.local import binaries, process
from deploy.local.ports import LOOPBACK, Ports
from deploy.local.process import Child
from deploy.local.render import ROOT, prometheus_config
from deploy.local.stack import RunningStack, StackOptions, running_stack
from deploy.local.state import write_private
from tests.end_to_end.waiting import wait_until
from tests.faults.failpoints import FOLDER, Failpoints
from tests.faults.proxy import Fault, HttpProxy, TcpProxy
from tests.faults.worker import STANDBY

PERIOD = 3.0
"""Seconds between two cycles of a loop."""
READY = 60.0
"""Seconds a server may take to start on a busy machine."""
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
    "alertmanager": {"enabled": False},
}
"""On top of the demo's timings. A verification begins when a whole rate window (5 s) shows a new member (3 s)."""


@dataclass
class Site:
    """One Charter with its Prometheus, the loops upon it, and the proxies before both."""

    name: str
    loops: tuple[str, ...]
    charter: httpx.AsyncClient
    to_charter: HttpProxy
    to_prometheus: HttpProxy
    children: dict[str, Child] = field(default_factory=dict)

    async def strike(self, kind: str, component: str) -> None:
        """Switch a fault of the plant on."""
        (await self.charter.post("/sim/faults", json={"kind": kind, "component": component})).raise_for_status()

    async def heal(self) -> None:
        """Switch all faults of the plant and all misbehaviour of the API off."""
        (await self.charter.delete("/sim/faults")).raise_for_status()
        await self.behave("normal")

    async def behave(self, mode: str, route: str = "/api/v1", **bounds: float) -> None:
        """Make the API misbehave; `bounds` are count, seconds and delay."""
        (await self.charter.post("/sim/behaviour", json={"mode": mode, "route": route, **bounds})).raise_for_status()

    async def ledger(self) -> list[dict[str, Any]]:
        """Return what clients really changed, the oldest first."""
        rows: list[dict[str, Any]] = (await self.charter.get("/sim/ledger")).json()
        return rows

    def undisturbed(self) -> None:
        """Take all rules and the weather of both proxies away."""
        for proxy in (self.to_charter, self.to_prometheus):
            proxy.rules.clear()
            proxy.weather = lambda _: None


@dataclass
class Fleet:
    """Everything that runs, and the hands on it.

    `temporal` is the address of the proxy before the server; `workers` are the ones that were started, by a name.
    """

    stack: RunningStack
    client: Client
    store: Store
    sites: tuple[Site, ...]
    points: Failpoints
    to_temporal: TcpProxy
    temporal: str
    workers: dict[str, Child] = field(default_factory=dict)
    standby: tuple[Child, Path] | None = None
    starts: int = 0

    @property
    def store_file(self) -> str:
        """The store's SQLite file."""
        return str(self.stack.layout.setting("knowledge.sqlite_path"))

    @property
    def alive(self) -> list[str]:
        """The names of the workers that run."""
        return [name for name, child in self.workers.items() if child.running]

    async def start_worker(self, name: str = "first", prefix: Sequence[str] = (), **environ: str) -> None:
        """Let a worker begin, one that has loaded already if there is one; `prefix` is put before its command."""
        if prefix or environ or self.standby is None:
            self.workers[name] = await self.launched(name, prefix, environ)
            return
        self.workers[name], go = self.standby
        go.touch()
        self.standby = None

    async def prepare_worker(self) -> None:
        """Load the next worker, so that it can begin at once when its turn comes."""
        if self.standby is None:
            go = self.stack.state.path / f"go-{self.starts}"
            self.standby = (await self.launched("next", (), {STANDBY: str(go)}), go)

    async def launched(self, name: str, prefix: Sequence[str], environ: Mapping[str, str]) -> Child:
        """Start the process of a worker, with a log of its own."""
        self.starts += 1
        own = {
            "MAPEK_CONFIG": str(self.stack.state.config_file),
            "MAPEK_STATE": str(self.stack.state.path),
            "TEMPORAL_ADDRESS": self.temporal,
            "MAPEK__API__PORT": "0",
            FOLDER: str(self.points.folder),
            "PYTHONUNBUFFERED": "1",
        }
        argv = (*prefix, sys.executable, "-m", "tests.faults.worker")
        log = self.stack.state.logs / f"worker-{self.starts}.log"
        return await process.start(name, argv, log, {**os.environ, **own, **environ}, ROOT)

    async def kill_worker(self, name: str = "first") -> None:
        """End a worker with SIGKILL; returns when it is gone."""
        await self.workers[name].kill()

    def freeze(self, name: str = "first") -> None:
        """Let a worker stand still."""
        os.killpg(self.workers[name].pid, signal.SIGSTOP)

    def thaw(self, name: str = "first") -> None:
        """Let a frozen worker go on, wherever it was."""
        os.killpg(self.workers[name].pid, signal.SIGCONT)

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
        settings = {**SETTINGS, "loops": [entry for site, places in built for entry in entries(site, places)]}
        options = StackOptions(
            state=state,
            profile="demo",
            settings=settings,
            parts=frozenset({"temporal", "bootstrap"}),
            say=lambda _: None,
        )
        stack = await cleanup.enter_async_context(running_stack(options))
        for site, places in built:
            await start_site(cleanup, stack, site, places, seed)
        to_temporal = TcpProxy(stack.addresses.temporal, lambda fault: say("temporal", fault))
        temporal = await cleanup.enter_async_context(to_temporal.listening())
        store = await open_store(stack.layout.setting("knowledge.sqlite_path"))
        cleanup.push_async_callback(store.close)
        # A server that is killed on purpose is not worth a line for each call.
        silent = Runtime(telemetry=TelemetryConfig(logging=None))
        at = stack.addresses.temporal
        client = await Client.connect(at, data_converter=pydantic_data_converter, runtime=silent)
        points = Failpoints(stack.state.path / "failpoints")
        running = Fleet(stack, client, store, tuple(site for site, _ in built), points, to_temporal, temporal)
        cleanup.push_async_callback(end_workers, running)
        yield running


async def end_workers(running: Fleet) -> None:
    """Kill whatever worker is left, frozen ones included."""
    for name in running.alive:
        await running.kill_worker(name)
    if running.standby:
        await running.standby[0].kill()


@dataclass(frozen=True)
class Places:
    """Where the parts of a site are: URLs of the servers themselves and of the proxies before them."""

    charter: str
    prometheus: str
    proxied_charter: str
    proxied_prometheus: str


async def site_of(
    cleanup: AsyncExitStack, ports: Ports, name: str, loops: Sequence[str], say: Callable[[str, Fault], None]
) -> tuple[Site, Places]:
    """Return a site that is not started yet, with its proxies."""
    charter, prometheus = (f"{LOOPBACK}:{ports.take(usual)}" for usual in (8003, 9095))
    to_charter = HttpProxy(charter, lambda fault: say("charter", fault))
    to_prometheus = HttpProxy(prometheus, lambda fault: say("prometheus", fault))
    places = Places(
        f"http://{charter}",
        f"http://{prometheus}",
        "http://" + await cleanup.enter_async_context(to_charter.listening()),
        "http://" + await cleanup.enter_async_context(to_prometheus.listening()),
    )
    client = await cleanup.enter_async_context(httpx.AsyncClient(base_url=places.charter, trust_env=False, timeout=10))
    return Site(name, tuple(loops), client, to_charter, to_prometheus), places


def entries(site: Site, places: Places) -> list[dict[str, Any]]:
    """Return the site's loops as the configuration has them."""
    return [
        {
            "name": loop,
            "charter": site.name,
            "monitor": {"prometheus_url": places.proxied_prometheus},
            "execute": {"charter_url": places.proxied_charter},
        }
        for loop in site.loops
    ]


async def start_site(cleanup: AsyncExitStack, stack: RunningStack, site: Site, places: Places, seed: int) -> None:
    """Start the Charter and the Prometheus of a site, and wait until both answer."""
    folder, token = stack.state.path / f"prometheus-{site.name}", stack.layout.setting("execute.charter_api_key_file")
    folder.mkdir(mode=0o700)
    at = replace(stack.layout, addresses=replace(stack.addresses, charter=places.charter))
    config = yaml.safe_load(prometheus_config(at, stack.state))
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] == "charter"]
    write_private(folder / "prometheus.yml", yaml.safe_dump(config))
    server = (await binaries.ensure(["prometheus"], say=lambda _: None))["prometheus"]
    commands = {
        "charter": (
            *(sys.executable, "-m", "deploy.charter", "--port", str(urlsplit(places.charter).port)),
            *("--token-file", str(token), "--sim-doors", "--seed", str(seed)),
        ),
        "prometheus": (
            *(str(server), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}"),
            f"--web.listen-address={urlsplit(places.prometheus).netloc}",
        ),
    }
    for part, argv in commands.items():
        log = stack.state.logs / f"{part}-{site.name}.log"
        site.children[part] = await process.start(part, argv, log, cwd=ROOT)
        cleanup.push_async_callback(site.children[part].kill)
    for url in (f"{places.charter}/health", f"{places.prometheus}/-/ready"):
        await wait_until(f"{url} answers", lambda url=url: answers(url), READY)


async def answers(url: str) -> bool:
    """Tell whether 200 comes from there."""
    async with httpx.AsyncClient(trust_env=False, timeout=2.0) as http:
        try:
            return (await http.get(url)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


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
        child = running.workers[name]
        if " serves " in await asyncio.to_thread(child.log.read_text) and child.running:
            return True
        if not child.running:
            await running.start_worker(name)
        return False

    await wait_until(f"the worker {name} serves", look, 2 * READY, every=0.5)
