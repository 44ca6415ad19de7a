"""What is measured on a fleet before it is tormented: resumption, load on failing remotes, many verifications."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from temporalio import workflow
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.model import identifiers
from activities.model.plan import Plan
from activities.model.remediation import VerifyRequest, VerifyResult
from tests.soak.faults.proxy import Fault, FaultRule, HttpProxy
from tests.soak.harness.fleet import PERIOD_SECONDS, Fleet, wait_until_serving
from tests.soak.harness.in_flight import InFlightRemediation, list_in_flight
from tests.soak.harness.sites import Site
from tests.support.waiting import wait_until

RESUME_LIMIT_SECONDS = 15.0
"""Seconds within which everything in flight goes on, from the new worker's first poll or the server's readiness."""
OUTAGE_SECONDS = 20.0
"""Seconds the server is away: long enough for a client to ask as seldom as it ever does."""
MAX_LOAD_RATIO = 1.1
"""A failing remote is asked at most so many times as often as a healthy one."""
WINDOW_SECONDS = 24.0
"""Seconds over which requests are counted: twelve periods, so that the edges weigh little."""
VERIFICATION_COUNT = 100
WARM_UP_SECONDS = 6.0
"""Seconds after which they all run: a hundred that begin in one second are no hundred that run."""
MAX_DELAY_SECONDS = 1.0
"""Seconds by which many verifications may delay a Monitor."""
VERIFY_TASK_QUEUE = "soak"


@dataclass(frozen=True)
class Measurement:
    """One measured figure with its bound, both in `unit`."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def is_within_limit(self) -> bool:
        """Whether the bound is kept."""
        return self.value <= self.limit

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.2f} {self.unit} (bound {self.limit:g})"


async def measure_resumption(fleet: Fleet, sites: Sequence[Site]) -> list[Measurement]:
    """Kill the only worker, and then the server, with remediations in flight: when does each of them go on?"""
    for site in sites:
        await site.inject_fault("overload", "policy-engine")
    await wait_until("verifications", lambda: list_verifying(fleet, len(sites)), 60.0)
    await fleet.preload_worker()
    held = await list_verifying(fleet, len(sites))
    await fleet.kill_worker()
    await fleet.start_worker()
    await wait_until_serving(fleet)
    after_kill = await wait_until_all_resumed(fleet, held)
    held = [one for one in await list_in_flight(fleet.client) if one.is_activity_started]
    await fleet.kill_server()
    await asyncio.sleep(OUTAGE_SECONDS)
    await fleet.start_server()
    ready = time.time()
    after_restart = await wait_until_all_reported(fleet, held, ready)
    first_cycle = await wait_for_next_cycle(fleet, ready)
    for site in sites:
        await site.clear_faults()
    return [
        Measurement(
            "resumed after kill -9 of the only worker, from its first poll", after_kill, RESUME_LIMIT_SECONDS, "s"
        ),
        Measurement(
            "resumed after a restart of the server, from its readiness", after_restart, RESUME_LIMIT_SECONDS, "s"
        ),
        Measurement(
            "the first new cycle has ended after a restart of the server", first_cycle, RESUME_LIMIT_SECONDS, "s"
        ),
    ]


async def list_verifying(fleet: Fleet, min_count: int) -> list[InFlightRemediation]:
    """Return the remediations in verification if there are so many, else none."""
    with suppress(RPCError):
        held = [one for one in await list_in_flight(fleet.client) if one.step == "verify" and one.is_activity_started]
        return held if len(held) >= min_count else []
    return []


async def wait_until_all_resumed(fleet: Fleet, remediations: Sequence[InFlightRemediation]) -> float:
    """Return after how many seconds the last of these has another attempt of its activity, or is beyond it."""
    began = time.monotonic()

    async def look() -> bool:
        handles = [one.get_handle(fleet.client) for one in remediations]
        found = await asyncio.gather(*(handle.describe() for handle in handles))
        pending = [list(one.raw_description.pending_activities) for one in found]
        return all(not some or (some[0].attempt > 1 and some[0].HasField("last_started_time")) for some in pending)

    await wait_until("everything goes on", look, 3 * RESUME_LIMIT_SECONDS)
    return time.monotonic() - began


async def wait_until_all_reported(fleet: Fleet, remediations: Sequence[InFlightRemediation], since: float) -> float:
    """Return after how many seconds from `since` (unix) the server has heard of the last of these again."""

    async def look() -> bool:
        with suppress(RPCError):
            found = await asyncio.gather(*(one.get_handle(fleet.client).describe() for one in remediations))
            pending = [list(one.raw_description.pending_activities) for one in found]
            return all(not some or some[0].last_heartbeat_time.ToNanoseconds() / 1e9 > since for some in pending)
        return False

    await wait_until("everything is heard of", look, 3 * RESUME_LIMIT_SECONDS)
    return time.time() - since


async def wait_for_next_cycle(fleet: Fleet, since: float) -> float:
    """Return after how many seconds from `since` (unix) a cycle that was started since then has ended."""

    async def look() -> bool:
        with suppress(RPCError):
            query = 'WorkflowType="MapekCycle" AND ExecutionStatus="Completed"'
            async for run in fleet.client.list_workflows(query, page_size=20, limit=20):
                if run.start_time.timestamp() > since:
                    return True
        return False

    await wait_until("a cycle after the restart", look, 3 * RESUME_LIMIT_SECONDS)
    return time.time() - since


async def measure_offered_load(fleet: Fleet, name: str, site: Site, proxy: HttpProxy) -> list[Measurement]:
    """Count the requests to a remote that is healthy, fails in several ways, and has recovered.

    The healthy rate is what one healthy cycle asks, once a period: a busy machine that skips ticks does not lower it.
    """
    since = time.time()
    asked = await count_requests(proxy)
    healthy = asked / max(1, await count_cycles_since(fleet, site, since)) * WINDOW_SECONDS / PERIOD_SECONDS
    worst = 0.0
    for fault in (Fault.REFUSE, Fault.UNAVAILABLE, Fault.DROP):
        proxy.rules.append(FaultRule(fault, seconds=8.0))
        worst = max(worst, await count_requests(proxy) / healthy)
        proxy.rules.clear()
    await asyncio.sleep(2 * PERIOD_SECONDS)
    recovered = await count_requests(proxy) / healthy
    return [
        Measurement(f"requests to a failing {name}, of the healthy rate", worst, MAX_LOAD_RATIO, "x"),
        Measurement(
            f"requests to {name} 2 periods after its recovery, of the healthy rate", recovered, MAX_LOAD_RATIO, "x"
        ),
    ]


async def count_requests(proxy: HttpProxy) -> float:
    """Return the requests of one window."""
    before = proxy.requests
    await asyncio.sleep(WINDOW_SECONDS)
    return float(proxy.requests - before)


async def count_cycles_since(fleet: Fleet, site: Site, since: float) -> int:
    """Return how many cycles of a site's loops were started since then."""
    query = 'WorkflowType="MapekCycle"'
    runs = [run async for run in fleet.client.list_workflows(query, page_size=200, limit=200)]
    ours = tuple(f"mapek-cycle:{loop}-" for loop in site.loops)
    return sum(run.id.startswith(ours) and run.start_time.timestamp() >= since for run in runs)


@workflow.defn(name="VerifyOnly", sandboxed=False)
class VerifyOnly:
    """Runs one verification on the product's queue for them."""

    @workflow.run
    async def run(self, request: VerifyRequest) -> str:
        """Return the verdict."""
        verified: VerifyResult = await workflow.execute_activity(
            "verify",
            request,
            result_type=VerifyResult,
            task_queue=identifiers.VERIFY_TASK_QUEUE,
            start_to_close_timeout=timedelta(seconds=120),
            heartbeat_timeout=timedelta(seconds=5),
        )
        return verified.verdict.value


async def measure_many_verifications(fleet: Fleet, plan: Plan) -> list[Measurement]:
    """Let a hundred verifications with the interval of production run at once, and time the Monitors meanwhile.

    Where Monitors are slow without them already, the machine was not left alone, and a difference says nothing: so
    that is a figure with a bound too, and nothing is measured again until it pleases.
    """
    rule = plan.verification.model_copy(update={"delay": 5.0, "interval": 15.0, "samples": 3, "required_passes": 3})
    slow = plan.model_copy(update={"plan_id": "f" * 12, "hash": "f" * 64, "verification": rule})
    await fleet.store.plans.put(slow, time.time())
    alone = await measure_monitor_durations(fleet, WINDOW_SECONDS)
    async with verification_worker(fleet), running_verifications(fleet, slow):
        beside = await measure_monitor_durations(fleet, WINDOW_SECONDS)
    later = max(beside) - max(alone)
    return [
        Measurement("the slowest Monitor before it, without verifications", max(alone), MAX_DELAY_SECONDS, "s"),
        Measurement(
            f"the slowest of {len(beside)} Monitors, later beside {VERIFICATION_COUNT} verifications",
            later,
            MAX_DELAY_SECONDS,
            "s",
        ),
        Measurement("a Monitor later beside them, median", median(beside) - median(alone), MAX_DELAY_SECONDS, "s"),
    ]


@asynccontextmanager
async def running_verifications(fleet: Fleet, plan: Plan) -> AsyncIterator[None]:
    """Have a hundred verifications of a plan under way inside the block, well after they began."""
    began = time.time()
    handles = [
        await fleet.client.start_workflow(
            "VerifyOnly",
            VerifyRequest(plan_id=plan.plan_id, since=began + n * 0.15),
            id=f"verify-only-{n}",
            task_queue=VERIFY_TASK_QUEUE,
        )
        for n in range(VERIFICATION_COUNT)
    ]
    await asyncio.sleep(WARM_UP_SECONDS)
    yield
    described = await asyncio.gather(*(handle.describe() for handle in handles))
    running = sum(len(one.raw_description.pending_activities) for one in described)
    assert running == VERIFICATION_COUNT, f"only {running} verifications were under way"
    await asyncio.gather(*(handle.cancel() for handle in handles))
    await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)


@asynccontextmanager
async def verification_worker(fleet: Fleet) -> AsyncIterator[None]:
    """A worker for the workflow above, for the length of a block."""
    async with Worker(
        fleet.client, task_queue=VERIFY_TASK_QUEUE, workflows=[VerifyOnly], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        yield


async def measure_monitor_durations(fleet: Fleet, seconds: float) -> list[float]:
    """Return how many seconds each Monitor of so long a time took from being scheduled to its end.

    Where none ended, there was one that took the whole time.
    """
    since = time.time()
    await asyncio.sleep(seconds)
    query = 'WorkflowType="MapekCycle" AND ExecutionStatus="Completed"'
    found = []
    async for run in fleet.client.list_workflows(query, page_size=200, limit=200):
        if run.start_time.timestamp() >= since:
            handle = fleet.client.get_workflow_handle(run.id, run_id=run.run_id)
            found.append(monitor_duration(await handle.fetch_history()))
    return found or [seconds]


def monitor_duration(history: WorkflowHistory) -> float:
    """Return the seconds from the first activity's scheduling to its end: a cycle begins with Monitor."""
    at: Callable[[Any], float] = next
    times = {
        kind: at(event.event_time.ToNanoseconds() / 1e9 for event in history.events if event.event_type == kind)
        for kind in (EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    }
    begun, ended = times.values()
    return ended - begun


async def run_measurements(fleet: Fleet) -> list[Measurement]:
    """Measure everything, on a fleet that is otherwise left alone, and leave it at rest."""
    figures = await measure_resumption(fleet, fleet.sites[:4])
    plans = [
        plan for site in fleet.sites for loop in site.loops for plan in await fleet.store.plans.load_unsettled(loop)
    ]
    await wait_until("rest", lambda: is_idle(fleet), 120.0)
    first, second = fleet.sites[:2]
    loads = (
        measure_offered_load(fleet, "Prometheus", first, first.prometheus_proxy),
        measure_offered_load(fleet, "Charter", second, second.charter_proxy),
    )
    figures += [figure for load in await asyncio.gather(*loads) for figure in load]
    figures += await measure_many_verifications(fleet, plans[0])
    return figures


async def is_idle(fleet: Fleet) -> bool:
    """Tell whether no remediation runs."""
    return not await list_in_flight(fleet.client)
