"""The servers of a soak: one Temporal, one store, one Alertmanager, and several Charters with a Prometheus each.

All are real processes. Between the worker and everything it talks to stands a proxy.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import Runtime, TelemetryConfig

from activities.clients.store.store import open_store
from deploy.devstack.ports import LOOPBACK, Ports
from deploy.devstack.stack import RunningStack, StackOptions, running_stack
from tests.soak.faults.failpoints import Failpoints
from tests.soak.faults.proxy import Fault, HttpProxy, TcpProxy
from tests.soak.harness.alertmanager import Alerting, route
from tests.soak.harness.deadlines import Bounded
from tests.soak.harness.fleet import PERIOD, Fleet
from tests.soak.harness.in_flight import Census
from tests.soak.harness.sites import Places, Site, entries, site_of, start_site

DEBOUNCE = PERIOD / 6
"""Seconds between two cycles that alerts start: of a period, as much as the product's five of thirty."""
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
            "alertmanager": {
                "debounce_seconds": DEBOUNCE,
                "routes": [route(site.name, site.loops[0]) for site, _ in built],
            },
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
