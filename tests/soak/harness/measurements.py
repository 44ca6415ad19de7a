"""Measurements on a fleet before the faults: resumption, load on failing remotes, many verifications."""

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
from temporalio.api.workflow.v1 import PendingActivityInfo
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
"""Seconds until everything in flight resumes, from the new worker's first poll or the server's readiness."""
OUTAGE_SECONDS = 20.0
"""Seconds of the server's outage: long enough for clients to reach their longest retry interval."""
MAX_LOAD_RATIO = 1.1
"""The maximum requests to a failing remote, relative to a healthy one."""
WINDOW_SECONDS = 24.0
"""Seconds over which requests are counted: eight periods, so that the edges have little weight."""
VERIFICATION_COUNT = 100
WARM_UP_SECONDS = 6.0
"""Seconds after which all verifications run; their starts are spread over this time."""
MAX_DELAY_SECONDS = 1.0
"""Maximum seconds by which the verifications may delay a Monitor."""
VERIFY_TASK_QUEUE = "soak"


@dataclass(frozen=True)
class Measurement:
    """One measured value with its limit, both in `unit`."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def is_within_limit(self) -> bool:
        """Whether the value is within the limit."""
        return self.value <= self.limit

    def __str__(self) -> str:
        return f"{self.name}: {self.value:.2f} {self.unit} (limit {self.limit:g})"


async def measure_resumption(fleet: Fleet, sites: Sequence[Site]) -> list[Measurement]:
    """Kill the only worker, and then the server, with remediations in flight, and measure when they resume."""
    for site in sites:
        await site.inject_fault("overload", "policy-engine")
    await wait_until("verifications", lambda: list_verifying(fleet, len(sites)), 60.0)
    await fleet.preload_worker()
    remediations = await list_verifying(fleet, len(sites))
    await fleet.kill_worker()
    await fleet.start_worker()
    await wait_until_serving(fleet)
    after_kill = await wait_until_all_resumed(fleet, remediations)
    remediations = [run for run in await list_in_flight(fleet.client) if run.is_activity_started]
    await fleet.kill_server()
    await asyncio.sleep(OUTAGE_SECONDS)
    await fleet.start_server()
    ready = time.time()
    after_restart = await wait_until_all_reported(fleet, remediations, ready)
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
    """Return the remediations in verification if there are at least `min_count`, else none."""
    with suppress(RPCError):
        running = await list_in_flight(fleet.client)
        verifying = [run for run in running if run.step == "verify" and run.is_activity_started]
        return verifying if len(verifying) >= min_count else []
    return []


async def wait_until_all_resumed(fleet: Fleet, remediations: Sequence[InFlightRemediation]) -> float:
    """Return the seconds until the last of these has a new attempt of its activity, or has passed it."""
    started_at = time.monotonic()

    async def have_all_resumed() -> bool:
        pending = await fetch_pending_activities(fleet, remediations)
        return all(not some or (some[0].attempt > 1 and some[0].HasField("last_started_time")) for some in pending)

    await wait_until("the resumption of every remediation", have_all_resumed, 3 * RESUME_LIMIT_SECONDS)
    return time.monotonic() - started_at


async def wait_until_all_reported(fleet: Fleet, remediations: Sequence[InFlightRemediation], since: float) -> float:
    """Return the seconds from `since` (unix) until the server has a new heartbeat of the last of these."""

    async def have_all_reported() -> bool:
        with suppress(RPCError):
            pending = await fetch_pending_activities(fleet, remediations)
            return all(not some or some[0].last_heartbeat_time.ToNanoseconds() / 1e9 > since for some in pending)
        return False

    await wait_until("a heartbeat of every remediation", have_all_reported, 3 * RESUME_LIMIT_SECONDS)
    return time.time() - since


async def fetch_pending_activities(
    fleet: Fleet, remediations: Sequence[InFlightRemediation]
) -> list[list[PendingActivityInfo]]:
    """Return the pending activities of each remediation. Raises: RPCError."""
    handles = [remediation.get_handle(fleet.client) for remediation in remediations]
    descriptions = await asyncio.gather(*(handle.describe() for handle in handles))
    return [list(description.raw_description.pending_activities) for description in descriptions]


async def wait_for_next_cycle(fleet: Fleet, since: float) -> float:
    """Return the seconds from `since` (unix) until a cycle that started after it has ended."""

    async def has_cycle_ended() -> bool:
        with suppress(RPCError):
            query = 'WorkflowType="MapekCycle" AND ExecutionStatus="Completed"'
            async for run in fleet.client.list_workflows(query, page_size=20, limit=20):
                if run.start_time.timestamp() > since:
                    return True
        return False

    await wait_until("a cycle after the restart", has_cycle_ended, 3 * RESUME_LIMIT_SECONDS)
    return time.time() - since


async def measure_offered_load(fleet: Fleet, name: str, site: Site, proxy: HttpProxy) -> list[Measurement]:
    """Count the requests to a remote while it is healthy, while it fails in several ways, and after its recovery.

    The healthy rate is the requests of one healthy cycle per period, so skipped cycles do not lower it.
    """
    since = time.time()
    requests = await count_requests(proxy)
    healthy = requests / max(1, await count_cycles_since(fleet, site, since)) * WINDOW_SECONDS / PERIOD_SECONDS
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
    """Return the number of cycles of a site's loops started after `since` (unix)."""
    query = 'WorkflowType="MapekCycle"'
    runs = [run async for run in fleet.client.list_workflows(query, page_size=200, limit=200)]
    prefixes = tuple(f"mapek-cycle:{loop}-" for loop in site.loops)
    return sum(run.id.startswith(prefixes) and run.start_time.timestamp() >= since for run in runs)


@workflow.defn(name="VerifyOnly", sandboxed=False)
class VerifyOnly:
    """Runs one verification on the product's queue for verifications."""

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
    """Run a hundred verifications with the interval of production at the same time, and time the Monitors.

    The duration without verifications has a limit too: on a busy machine the difference has no meaning. A measurement
    is never repeated.
    """
    rule = plan.verification.model_copy(update={"delay": 5.0, "interval": 15.0, "samples": 3, "required_passes": 3})
    slow = plan.model_copy(update={"plan_id": "f" * 12, "hash": "f" * 64, "verification": rule})
    await fleet.store.plans.put(slow, time.time())
    baseline = await measure_monitor_durations(fleet, WINDOW_SECONDS)
    async with verification_worker(fleet), running_verifications(fleet, slow):
        loaded = await measure_monitor_durations(fleet, WINDOW_SECONDS)
    delay = max(loaded) - max(baseline)
    return [
        Measurement("the slowest Monitor before it, without verifications", max(baseline), MAX_DELAY_SECONDS, "s"),
        Measurement(
            f"the slowest of {len(loaded)} Monitors beside {VERIFICATION_COUNT} verifications, delay",
            delay,
            MAX_DELAY_SECONDS,
            "s",
        ),
        Measurement(
            "the median delay of a Monitor beside them", median(loaded) - median(baseline), MAX_DELAY_SECONDS, "s"
        ),
    ]


@asynccontextmanager
async def running_verifications(fleet: Fleet, plan: Plan) -> AsyncIterator[None]:
    """Run a hundred verifications of a plan inside the block, which begins after their warm-up."""
    started_at = time.time()
    handles = [
        await fleet.client.start_workflow(
            "VerifyOnly",
            VerifyRequest(plan_id=plan.plan_id, since=started_at + n * 0.15),
            id=f"verify-only-{n}",
            task_queue=VERIFY_TASK_QUEUE,
        )
        for n in range(VERIFICATION_COUNT)
    ]
    await asyncio.sleep(WARM_UP_SECONDS)
    yield
    descriptions = await asyncio.gather(*(handle.describe() for handle in handles))
    running = sum(len(description.raw_description.pending_activities) for description in descriptions)
    assert running == VERIFICATION_COUNT, f"{running} verifications ran, expected {VERIFICATION_COUNT}"
    await asyncio.gather(*(handle.cancel() for handle in handles))
    await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)


@asynccontextmanager
async def verification_worker(fleet: Fleet) -> AsyncIterator[None]:
    """Run a worker for `VerifyOnly` inside the block."""
    async with Worker(
        fleet.client, task_queue=VERIFY_TASK_QUEUE, workflows=[VerifyOnly], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        yield


async def measure_monitor_durations(fleet: Fleet, seconds: float) -> list[float]:
    """Return the seconds of each Monitor in the next `seconds`, from its scheduling to its end.

    Without a completed Monitor the whole time is returned as its duration.
    """
    since = time.time()
    await asyncio.sleep(seconds)
    query = 'WorkflowType="MapekCycle" AND ExecutionStatus="Completed"'
    durations = []
    async for run in fleet.client.list_workflows(query, page_size=200, limit=200):
        if run.start_time.timestamp() >= since:
            handle = fleet.client.get_workflow_handle(run.id, run_id=run.run_id)
            durations.append(monitor_duration(await handle.fetch_history()))
    return durations or [seconds]


def monitor_duration(history: WorkflowHistory) -> float:
    """Return the seconds from the scheduling of the first activity, Monitor, to its end."""
    at: Callable[[Any], float] = next
    times = {
        kind: at(event.event_time.ToNanoseconds() / 1e9 for event in history.events if event.event_type == kind)
        for kind in (EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)
    }
    scheduled_at, ended_at = times.values()
    return ended_at - scheduled_at


async def run_measurements(fleet: Fleet) -> list[Measurement]:
    """Run all measurements on a fleet without faults, and return when it is at rest."""
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
    """Return whether no remediation runs."""
    return not await list_in_flight(fleet.client)
