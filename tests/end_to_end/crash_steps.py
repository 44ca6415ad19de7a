"""The steps of a cycle and of a remediation, and how each is held until the worker is killed."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType, PendingActivityState

from tests.support.stack import LOOP_NAME, StackHarness
from tests.support.waiting import wait_until
from workflows import options

STEP_TIMEOUT_SECONDS = 40.0
"""Maximum until a step is reached."""
DETECTION_SECONDS = {
    "monitor": options.MONITOR_OPTIONS["start_to_close_timeout"].total_seconds(),
    "analyze": options.ANALYZE_OPTIONS["start_to_close_timeout"].total_seconds(),
    "plan": options.PLAN_OPTIONS["start_to_close_timeout"].total_seconds(),
    "record": options.RECORD_OPTIONS["start_to_close_timeout"].total_seconds(),
}
"""Time until Temporal detects a dead worker in this activity; all other activities heartbeat."""
WORKFLOW_TASK_TIMEOUT_SECONDS = 10.0
"""Time until Temporal detects a dead worker in a workflow task: the server's default."""
MARGIN_SECONDS = 10.0
"""Margin: sticky queue 1 s, pause between attempts 1 s, timers at most 3 s, and a busy machine."""
ACTIVITY_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
POLL_SECONDS = 0.02
"""Time between two checks of a short state."""


@dataclass(frozen=True)
class CrashPoint:
    """The workflow, time and attempt of an activity at which the worker was killed (0: in no activity)."""

    workflow_id: str
    killed_at: float
    activity: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class CrashStep:
    """A step that lasts long enough: an activity of a workflow type, or the last event of its history."""

    name: str
    workflow: str
    activity: str = ""
    event: "EventType.ValueType" = EventType.EVENT_TYPE_UNSPECIFIED

    @asynccontextmanager
    async def hold(self, harness: StackHarness) -> AsyncIterator[None]:
        """Hold the step once it is reached; enter this block before the worker starts."""
        del harness
        yield

    async def wait_until_reached(self, harness: StackHarness, since: float) -> str:
        """Wait until a workflow that started since a time is in the step, and return its id."""

        async def find_workflow() -> str:
            for run in await harness.list_workflows(
                f'WorkflowType="{self.workflow}" AND ExecutionStatus="Running"', since
            ):
                if self.activity:
                    activity = (await harness.list_pending_activities(run.id)).get(self.activity)
                    is_reached = activity is not None and activity.state == ACTIVITY_STARTED
                else:
                    handle = harness.client.get_workflow_handle(run.id, run_id=run.run_id)
                    is_reached = (await handle.fetch_history()).events[-1].event_type == self.event
                if is_reached:
                    return run.id
            return ""

        return await wait_until(f"step {self.name}", find_workflow, STEP_TIMEOUT_SECONDS, POLL_SECONDS)

    async def kill_worker_in(self, harness: StackHarness, since: float) -> CrashPoint:
        """Kill the worker in the step and return the crash point."""
        workflow_id = await self.wait_until_reached(harness, since)
        await harness.stack.kill("worker")
        killed_at, activity = time.time(), (await harness.list_pending_activities(workflow_id)).get(self.activity)
        assert bool(activity) == bool(self.activity), f"{self.name} ended before the worker was killed"
        return CrashPoint(workflow_id, killed_at, self.activity, activity.attempt if activity else 0)


@dataclass(frozen=True)
class CharterStep(CrashStep):
    """A step held by Charter: an API fault with a mode and a delay in seconds for a route."""

    mode: str = "hang-then-execute"
    route: str = "/api/v1"
    delay: float = 4.0

    @asynccontextmanager
    async def hold(self, harness: StackHarness) -> AsyncIterator[None]:
        """Inject the API fault for the duration of the block."""
        await harness.set_api_fault(self.mode, self.route, delay=self.delay)
        yield
        await harness.set_api_fault("normal")


@dataclass(frozen=True)
class SentApplyStep(CharterStep):
    """An apply whose request is in flight: the audit has its row; if executed Charter's ledger too."""

    is_executed: bool = False

    async def wait_until_reached(self, harness: StackHarness, since: float) -> str:
        """Wait for the rows and return the remediation's id."""

        async def is_sent() -> bool:
            attempts = [
                row
                for row in await harness.store.audit.load_for_loop(LOOP_NAME)
                if row.kind == "attempt" and row.at > since
            ]
            return bool(await harness.fetch_ledger(since) if self.is_executed else attempts)

        await wait_until(f"step {self.name}", is_sent, STEP_TIMEOUT_SECONDS, POLL_SECONDS)
        return (await harness.wait_for_remediation(since)).handle.id


@dataclass(frozen=True)
class StoreStep(CrashStep):
    """A step held by the store, which is locked for writers while the activity `after` runs.

    `lets_one_write` means that `after` itself must write before the step starts.
    """

    after: str = ""
    lets_one_write: bool = False

    @asynccontextmanager
    async def hold(self, harness: StackHarness) -> AsyncIterator[None]:
        """Hold `after` at Charter if it must write: it must not write before the store is locked."""
        if self.lets_one_write:
            await harness.set_api_fault("hang-then-execute", "/api/v1/policies", delay=1.0)
        yield
        if self.lets_one_write:
            await harness.set_api_fault("normal")

    async def kill_worker_in(self, harness: StackHarness, since: float) -> CrashPoint:
        """Lock the store, let `after` write if necessary, and kill the worker while it waits for the lock."""
        await CrashStep(self.after, self.workflow, self.after).wait_until_reached(harness, since)
        with closing(sqlite3.connect(harness.store_file, isolation_level=None, timeout=5.0)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            if self.lets_one_write:
                allow_one_write(lock)
            return await super().kill_worker_in(harness, since)


@dataclass(frozen=True)
class ChildStartStep(CrashStep):
    """The moment after a cycle has requested its remediation."""

    async def wait_until_reached(self, harness: StackHarness, since: float) -> str:
        """Wait for the remediation: the server starts it also without a worker."""
        run = (
            await wait_until(
                f"step {self.name}", lambda: harness.list_remediations(since), STEP_TIMEOUT_SECONDS, POLL_SECONDS
            )
        )[0]
        return run.id


async def wait_until_resumed(harness: StackHarness, crash_point: CrashPoint) -> float:
    """Return the seconds until a worker resumed at the crash point; a late one fails the test."""
    handle = harness.client.get_workflow_handle(crash_point.workflow_id)

    async def is_resumed() -> bool:
        if crash_point.activity:
            activity = (await harness.list_pending_activities(crash_point.workflow_id)).get(crash_point.activity)
            return activity is None or (activity.attempt > crash_point.attempt and activity.state == ACTIVITY_STARTED)
        history = await handle.fetch_history()
        completed = [e for e in history.events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
        return any(e.event_time.ToDatetime(UTC) > datetime.fromtimestamp(crash_point.killed_at, UTC) for e in completed)

    detection_seconds = (
        DETECTION_SECONDS.get(crash_point.activity, options.HEARTBEAT_TIMEOUT.total_seconds())
        if crash_point.activity
        else WORKFLOW_TASK_TIMEOUT_SECONDS
    )
    remaining = crash_point.killed_at + detection_seconds + MARGIN_SECONDS - time.time()
    await wait_until(f"resumption at {crash_point}", is_resumed, max(0.0, remaining))
    return time.time() - crash_point.killed_at


def allow_one_write(lock: sqlite3.Connection) -> None:
    """Release the lock for one transaction. This blocks: a waiting writer needs only milliseconds."""
    version = read_data_version(lock)
    lock.execute("ROLLBACK")
    until = time.monotonic() + 5.0
    while read_data_version(lock) == version and time.monotonic() < until:
        time.sleep(0.0005)
    lock.execute("BEGIN IMMEDIATE")


def read_data_version(connection: sqlite3.Connection) -> int:
    """Return a number that changes with each write of another connection."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
