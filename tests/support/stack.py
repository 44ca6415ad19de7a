"""A running stack for tests: its cycles and remediations, Charter's true state, the store and faults."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecution, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from activities.clients.store.store import Store, open_store
from activities.model import identifiers
from activities.model.cycle import CycleResult
from activities.model.mode import LoopMode, Mode
from activities.model.plan import Plan
from activities.model.remediation import RemediationResult
from deploy.devstack.stack import RunningStack
from tests.support.waiting import wait_until
from workflows import search_attributes

LOOP_NAME = CHARTER_NAME = "charter"
DETECTION_TIMEOUT_SECONDS = 25.0
"""Maximum from a fault to the start of its remediation."""
OUTCOME_TIMEOUT_SECONDS = 60.0
"""Maximum of a remediation, including its cool-down."""
HEALTHY_TIMEOUT_SECONDS = 45.0
"""Maximum until the next healthy cycle."""
FULL_EFFECT_SECONDS = 8.0
"""Time until a fault has its full effect: the rate window of 5 s and the growth of queues."""


@dataclass(frozen=True)
class FinishedCycle:
    """A cycle that has ended; `started_at` is in unix seconds."""

    id: str
    started_at: float
    result: CycleResult


@dataclass(frozen=True)
class StartedRemediation:
    """A started remediation with its plan from the store."""

    handle: WorkflowHandle[Any, RemediationResult]
    plan: Plan

    async def fetch_phase(self) -> str:
        """Return the current phase."""
        description = await self.handle.describe()
        return str(description.typed_search_attributes.get(search_attributes.PHASE) or "")

    async def wait_for_phase(self, phase: str, timeout_seconds: float = OUTCOME_TIMEOUT_SECONDS) -> None:
        """Wait for a phase."""

        async def is_in_phase() -> bool:
            return await self.fetch_phase() == phase

        await wait_until(f"phase {phase} of {self.handle.id}", is_in_phase, timeout_seconds)

    async def wait_for_result(self, timeout_seconds: float = OUTCOME_TIMEOUT_SECONDS) -> RemediationResult:
        """Wait for the end, including the cool-down, and return the result."""

        async def has_ended() -> bool:
            return (await self.handle.describe()).close_time is not None

        await wait_until(f"the end of {self.handle.id}", has_ended, timeout_seconds)
        return await self.handle.result()


@dataclass
class StackHarness:
    """A stack with connections to its servers. All times are in unix seconds."""

    stack: RunningStack
    client: Client
    charter: httpx.AsyncClient
    store: Store
    finished_cycles: dict[str, FinishedCycle] = field(default_factory=dict)

    @property
    def store_file(self) -> str:
        """The store's SQLite file."""
        return str(self.stack.layout.get_setting("knowledge.sqlite_path"))

    async def inject_fault(self, kind: str, component: str) -> float:
        """Inject a fault and return the time."""
        now = time.time()
        (await self.charter.post("/sim/faults", json={"kind": kind, "component": component})).raise_for_status()
        return now

    async def inject_fault_fully(self, kind: str, component: str) -> float:
        """Inject a fault, let the loop act only after a full rate window, and return the time of the fault.

        Otherwise verification would count the growing symptoms against the plan and its rollback.
        """
        await self.set_mode(LoopMode.OBSERVE)
        since = await self.inject_fault(kind, component)

        async def has_full_effect() -> bool:
            return time.time() > since + FULL_EFFECT_SECONDS

        await wait_until(f"a full rate window with {kind}", has_full_effect, FULL_EFFECT_SECONDS + 1.0)
        await self.set_mode(LoopMode.ACT)
        return since

    async def set_mode(self, mode: LoopMode) -> None:
        """Set the loop's mode."""
        now = time.time()
        await self.store.guards.set_mode(
            Mode(loop=LOOP_NAME, name=mode, actor="a test", reason="required by the test", at=now)
        )

    async def clear_faults(self) -> None:
        """Clear all faults of the plant and of the API."""
        (await self.charter.delete("/sim/faults")).raise_for_status()
        await self.set_api_fault("normal")

    async def set_api_fault(self, mode: str, route: str = "/api/v1", **bounds: float) -> None:
        """Make Charter's API fail; `bounds` are count, seconds and delay."""
        (await self.charter.post("/sim/behaviour", json={"mode": mode, "route": route, **bounds})).raise_for_status()

    async def fetch_ledger(self, since: float = 0.0) -> list[dict[str, Any]]:
        """Return the effects of clients' changes at Charter since a time, oldest first."""
        rows: list[dict[str, Any]] = (await self.charter.get("/sim/ledger")).json()
        return [row for row in rows if row["at"] >= since and row["key"]]

    async def list_effects(self, plan: Plan) -> list[str]:
        """Return the effects of a plan at Charter: applied, rolled_back."""
        return [row["effect"] for row in await self.fetch_ledger() if row["key"].startswith(f"{plan.plan_id}-")]

    async def fetch_replicas(self) -> int:
        """Return the committee's size at Charter."""
        return int((await self.charter.get("/sim/state")).json()["committee"]["replicas"])

    async def list_workflows(self, query: str, since: float) -> list[WorkflowExecution]:
        """Return the workflows that started since a time, oldest first."""
        runs = [run async for run in self.client.list_workflows(query, page_size=80, limit=80)]
        return sorted((run for run in runs if run.start_time.timestamp() >= since), key=lambda run: run.start_time)

    async def list_cycles(self, since: float) -> list[FinishedCycle]:
        """Return the completed cycles that started since a time, oldest first."""
        query = (
            f'WorkflowType="MapekCycle" AND {search_attributes.LOOP.name}="{LOOP_NAME}" AND ExecutionStatus="Completed"'
        )
        runs = await self.list_workflows(query, since)
        for run in runs:
            if run.id not in self.finished_cycles:
                handle = self.client.get_workflow_handle(run.id, result_type=CycleResult)
                self.finished_cycles[run.id] = FinishedCycle(run.id, run.start_time.timestamp(), await handle.result())
        return [self.finished_cycles[run.id] for run in runs]

    async def wait_for_cycle(self, outcomes: Sequence[str], since: float, timeout_seconds: float) -> FinishedCycle:
        """Return the first cycle with one of these outcomes that started since a time."""

        async def find_cycle() -> FinishedCycle | None:
            return next((cycle for cycle in await self.list_cycles(since) if cycle.result.outcome in outcomes), None)

        return await wait_until(f"a cycle with outcome {' or '.join(outcomes)}", find_cycle, timeout_seconds)

    async def wait_for_cycles(self, count: int, since: float, timeout_seconds: float) -> list[FinishedCycle]:
        """Wait for a number of cycles since a time and return them."""

        async def find_cycles() -> list[FinishedCycle]:
            cycles = await self.list_cycles(since)
            return cycles if len(cycles) >= count else []

        return await wait_until(f"{count} cycles", find_cycles, timeout_seconds)

    async def list_remediations(self, since: float = 0.0, status: str = "") -> list[WorkflowExecution]:
        """Return the remediations that started since a time, if given only those with an execution status."""
        return await self.list_workflows(
            'WorkflowType="MapekRemediation"' + (f' AND ExecutionStatus="{status}"' if status else ""), since
        )

    async def wait_for_remediation(
        self, since: float, timeout_seconds: float = DETECTION_TIMEOUT_SECONDS
    ) -> StartedRemediation:
        """Return the first remediation that started since a time."""
        run = (await wait_until("a remediation", lambda: self.list_remediations(since), timeout_seconds))[0]
        handle = self.client.get_workflow_handle(run.id, run_id=run.run_id, result_type=RemediationResult)
        return StartedRemediation(
            handle, await self.store.plans.get(str(run.typed_search_attributes.get(search_attributes.PLAN)))
        )

    async def list_pending_activities(self, workflow_id: str) -> dict[str, PendingActivityInfo]:
        """Return the pending activities of a workflow by type."""
        raw = (await self.client.get_workflow_handle(workflow_id).describe()).raw_description
        return {activity.activity_type.name: activity for activity in raw.pending_activities}

    async def restore_healthy(self) -> None:
        """Reset the stack for the next test: no faults, no remediations, no used rungs, mode act."""
        await self.set_mode(LoopMode.OBSERVE)
        await self.clear_faults()

        async def is_idle() -> bool:
            running = await self.list_remediations(status="Running")
            for run in running:
                if run.typed_search_attributes.get(search_attributes.PHASE) == "quarantined":
                    await self.client.get_workflow_handle(run.id).signal("resume")
            return not running

        done = False
        while not done:
            await wait_until("the end of all remediations", is_idle, OUTCOME_TIMEOUT_SECONDS)
            await self.wait_for_cycle(["healthy"], time.time(), HEALTHY_TIMEOUT_SECONDS)
            done = await is_idle()
        # Upkeep does this after ten quiet minutes. The next test needs every rung.
        await self.store.guards.close_quiet(CHARTER_NAME, time.time())
        await self.set_mode(LoopMode.ACT)


@asynccontextmanager
async def connect_harness(stack: RunningStack) -> AsyncIterator[StackHarness]:
    """Connect to a stack for the duration of a block."""
    client = await Client.connect(stack.addresses.temporal, data_converter=pydantic_data_converter)
    store = await open_store(stack.layout.get_setting("knowledge.sqlite_path"))
    try:
        async with httpx.AsyncClient(base_url=stack.addresses.charter, trust_env=False, timeout=5.0) as charter:
            yield StackHarness(stack, client, charter, store)
    finally:
        await store.close()


@asynccontextmanager
async def paused_schedules(harness: StackHarness) -> AsyncIterator[None]:
    """Pause the loop's schedules for the duration of a block, after the running workflows have ended."""
    schedules = [
        harness.client.get_schedule_handle(name(LOOP_NAME))
        for name in (identifiers.schedule_id, identifiers.upkeep_schedule_id)
    ]
    for schedule in schedules:
        await schedule.pause()

    async def is_quiet() -> bool:
        running = 'WorkflowType IN ("MapekCycle", "MapekUpkeep") AND ExecutionStatus="Running"'
        return not await harness.list_workflows(running, 0.0)

    try:
        await wait_until("no running cycle or upkeep", is_quiet, HEALTHY_TIMEOUT_SECONDS)
        yield
    finally:
        for schedule in schedules:
            await schedule.unpause()
