"""The servers of a soak: one Temporal, one store, one Alertmanager, and several Charters with a Prometheus each.

All are real processes. A proxy is between the worker and every server it calls.
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
from deploy.devstack.ports import LOOPBACK, PortAllocator
from deploy.devstack.stack import RunningStack, StackOptions, running_stack
from tests.soak.faults.failpoints import Failpoints
from tests.soak.faults.proxy import Fault, HttpProxy, TcpProxy
from tests.soak.harness.alertmanager import SoakAlertmanager, build_route
from tests.soak.harness.deadlines import RpcTimeoutInterceptor
from tests.soak.harness.fleet import PERIOD_SECONDS, Fleet
from tests.soak.harness.in_flight import RemediationList
from tests.soak.harness.sites import Site, SiteAddresses, build_loop_entries, build_site, start_site

DEBOUNCE_SECONDS = PERIOD_SECONDS / 6
"""Seconds between two cycles that alerts start: a sixth of a period, like the product's five of thirty."""
WEBHOOK_PORT_COUNT = 6
"""Ports of the workers' webhooks, used in turn, so that concurrent workers have different ones."""
LOOP_SETTINGS: Mapping[str, Any] = {
    "orchestrator": {"loop_interval": int(PERIOD_SECONDS)},
    "plan": {
        "settle_seconds": 4,
        "cool_down": {"after_success": 15, "no_effect": 6, "rolled_back": 15},
        "approval": {"from_risk": "medium", "deadline_seconds": 30},
        # The same few faults recur for an hour, and some remediations must fail.
        "rates": {
            "knob_per_hour": 1000,
            "knob_per_day": 10_000,
            "loop_per_hour": 2000,
            "max_concurrent_fraction": 1.0,
            "reversal_delay": 0,
            "risky_delay": 0,
        },
        "oscillation": {"reversals": 999, "failures": 999, "relapses": 999, "external_change_hold": 0},
        "storm": {"unexplained_fraction": 1.0, "affected_fraction": 1.0},
    },
    "knowledge": {"autonomy": {"overrides": [{"level": "auto"}]}},
    "execute": {"timeout_seconds": 3, "verify": {"delay": 8, "samples": 3, "passes": 3}},
    "performance": {"max_concurrent_analyses": 30},
}
"""Added to the demo's timings. A verification starts after a rate window (5 s) and the start of a member (3 s)."""


@asynccontextmanager
async def running_fleet(
    state: Path, sites: Sequence[tuple[str, Sequence[str]]], seed: int, report: Callable[[str, Fault], None]
) -> AsyncIterator[Fleet]:
    """Run everything but a worker inside the block.

    `sites` are the Charters by name, each with the names of its loops. `report` is called for every fault of a proxy.
    """
    async with AsyncExitStack() as cleanup:
        ports = PortAllocator()
        cleanup.callback(ports.close)
        built = [await build_site(cleanup, ports, name, loops, report) for name, loops in sites]
        stack = await cleanup.enter_async_context(running_stack(build_stack_options(state, built)))
        await asyncio.gather(*(start_site(cleanup, stack, site, addresses, seed) for site, addresses in built))
        to_temporal = TcpProxy(stack.addresses.temporal, lambda fault: report("temporal", fault))
        temporal = await cleanup.enter_async_context(to_temporal.listen())
        store = await open_store(stack.layout.get_setting("knowledge.sqlite_path"))
        cleanup.push_async_callback(store.close)
        client = await connect_client(stack)
        running = Fleet(
            stack=stack,
            client=client,
            remediation_list=RemediationList(client),
            alertmanager=await start_alertmanager(cleanup, stack, report),
            webhook_ports=tuple(ports.allocate(8005) for _ in range(WEBHOOK_PORT_COUNT)),
            store=store,
            sites=tuple(site for site, _ in built),
            failpoints=Failpoints(stack.state.path / "failpoints"),
            temporal_proxy=to_temporal,
            temporal_address=temporal,
        )
        cleanup.push_async_callback(kill_remaining_workers, running)
        yield running


def build_stack_options(state: Path, sites: Sequence[tuple[Site, SiteAddresses]]) -> StackOptions:
    """Return the options of the shared stack: Temporal, Alertmanager, and the configuration with every loop."""
    return StackOptions(
        state_dir=state,
        profile="demo",
        settings={
            **LOOP_SETTINGS,
            "loops": [entry for site, addresses in sites for entry in build_loop_entries(site, addresses)],
            "alertmanager": {
                "debounce_seconds": DEBOUNCE_SECONDS,
                "routes": [build_route(site.name, site.loops[0]) for site, _ in sites],
            },
        },
        services=frozenset({"temporal", "alertmanager", "bootstrap"}),
        report=lambda _: None,
    )


async def connect_client(stack: RunningStack) -> Client:
    """Return a client of the server itself, with a time-out for every call."""
    return await Client.connect(
        stack.addresses.temporal,
        data_converter=pydantic_data_converter,
        interceptors=[RpcTimeoutInterceptor()],
        # Kills of the server are expected: no log line for each failed call.
        runtime=Runtime(telemetry=TelemetryConfig(logging=None)),
    )


async def start_alertmanager(
    cleanup: AsyncExitStack, stack: RunningStack, report: Callable[[str, Fault], None]
) -> SoakAlertmanager:
    """Return the Alertmanager; it posts to the proxy, which has the worker's configured address."""
    to_webhook = HttpProxy(f"{LOOPBACK}:0", lambda fault: report("webhook", fault))
    await cleanup.enter_async_context(to_webhook.listen(urlsplit(stack.addresses.mapek).port or 0))
    http = httpx.AsyncClient(base_url=stack.addresses.alertmanager, trust_env=False, timeout=10)
    return SoakAlertmanager(await cleanup.enter_async_context(http), to_webhook)


async def kill_remaining_workers(fleet: Fleet) -> None:
    """Kill all remaining workers, frozen ones included."""
    for name in fleet.live_workers:
        await fleet.kill_worker(name)
    if fleet.standby:
        await fleet.standby.child.kill()
