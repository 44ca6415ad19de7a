"""The steps of a cycle and of a remediation, and how the stack is kept in each of them until its worker is killed."""

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
"""Seconds a step may take to be reached."""
DETECTION_SECONDS = {
    "monitor": options.MONITOR["start_to_close_timeout"].total_seconds(),
    "analyze": options.ANALYZE["start_to_close_timeout"].total_seconds(),
    "plan": options.PLAN["start_to_close_timeout"].total_seconds(),
    "record": options.RECORD["start_to_close_timeout"].total_seconds(),
}
"""Seconds until Temporal sees that a worker died in this activity; all others heartbeat."""
WORKFLOW_TASK_TIMEOUT_SECONDS = 10.0
"""Seconds until Temporal sees that a worker died with a workflow task in its hands: the server's default."""
MARGIN_SECONDS = 10.0
"""Seconds besides: sticky queue 1, pause between two attempts 1, timers of at most 3, and a busy machine."""
ACTIVITY_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
POLL_SECONDS = 0.02
"""Seconds between two looks at what passes quickly."""


@dataclass(frozen=True)
class CrashPoint:
    """Where the worker was killed: in which workflow, when, and in which attempt at an activity (0: in none)."""

    workflow_id: str
    killed_at: float
    activity: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class CrashStep:
    """A step that keeps itself up: the activity of a workflow type, or with none what its history ends with."""

    name: str
    workflow: str
    activity: str = ""
    event: "EventType.ValueType" = EventType.EVENT_TYPE_UNSPECIFIED

    @asynccontextmanager
    async def hold(self, harness: StackHarness) -> AsyncIterator[None]:
        """Prepare that the step, once reached, is not left; entered before the worker starts."""
        del harness
        yield

    async def wait_until_reached(self, harness: StackHarness, since: float) -> str:
        """Wait until a workflow that started since then is in the step, and return its id."""

        async def look() -> str:
            for run in await harness.list_workflows(
                f'WorkflowType="{self.workflow}" AND ExecutionStatus="Running"', since
            ):
                if self.activity:
                    activity = (await harness.list_pending_activities(run.id)).get(self.activity)
                    there = activity is not None and activity.state == ACTIVITY_STARTED
                else:
                    handle = harness.client.get_workflow_handle(run.id, run_id=run.run_id)
                    there = (await handle.fetch_history()).events[-1].event_type == self.event
                if there:
                    return run.id
            return ""

        return await wait_until(f"the step {self.name}", look, STEP_TIMEOUT_SECONDS, POLL_SECONDS)

    async def kill_worker_in(self, harness: StackHarness, since: float) -> CrashPoint:
        """Kill the worker when it is in the step, and return where that was."""
        workflow_id = await self.wait_until_reached(harness, since)
        await harness.stack.kill("worker")
        killed, activity = time.time(), (await harness.list_pending_activities(workflow_id)).get(self.activity)
        assert bool(activity) == bool(self.activity), f"{self.name} was over before the worker was killed"
        return CrashPoint(workflow_id, killed, self.activity, activity.attempt if activity else 0)


@dataclass(frozen=True)
class CharterStep(CrashStep):
    """A step kept up by Charter: requests to the route are treated in that mode, with that delay in seconds."""

    mode: str = "hang-then-execute"
    route: str = "/api/v1"
    delay: float = 4.0

    @asynccontextmanager
    async def hold(self, harness: StackHarness) -> AsyncIterator[None]:
        """Let Charter misbehave."""
        await harness.set_api_fault(self.mode, self.route, delay=self.delay)
        yield
        await harness.set_api_fault("normal")


@dataclass(frozen=True)
class SentApplyStep(CharterStep):
    """An apply whose request is under way: the audit has its row, and with `executed` so has Charter's ledger."""

    is_executed: bool = False

    async def wait_until_reached(self, harness: StackHarness, since: float) -> str:
        """Wait for the rows."""

        async def look() -> bool:
            sent = [
                row
                for row in await harness.store.audit.load_for_loop(LOOP_NAME)
                if row.kind == "attempt" and row.at > since
            ]
            return bool(await harness.fetch_ledger(since) if self.is_executed else sent)

        await wait_until(f"the step {self.name}", look, STEP_TIMEOUT_SECONDS, POLL_SECONDS)
        return (await harness.wait_for_remediation(since)).handle.id


@dataclass(frozen=True)
class StoreStep(CrashStep):
    """A step kept up by the store, which is locked for all writers once the activity `after` is under way.

    `passes` tells whether `after` itself has to write before the step can begin.
    """

    after: str = ""
    lets_one_write: bool = False

    @asynccontextmanager
    async def hold(self, harness: StackHarness) -> AsyncIterator[None]:
        """Keep `after` up at Charter if it has to write: it must not have written when the store is locked."""
        if self.lets_one_write:
            await harness.set_api_fault("hang-then-execute", "/api/v1/policies", delay=1.0)
        yield
        if self.lets_one_write:
            await harness.set_api_fault("normal")

    async def kill_worker_in(self, harness: StackHarness, since: float) -> CrashPoint:
        """Lock the store, let `after` write if it has to, and kill the worker where it waits for the lock."""
        await CrashStep(self.after, self.workflow, self.after).wait_until_reached(harness, since)
        with closing(sqlite3.connect(harness.store_file, isolation_level=None, timeout=5.0)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            if self.lets_one_write:
                allow_one_write(lock)
            return await super().kill_worker_in(harness, since)


@dataclass(frozen=True)
class ChildStartStep(CrashStep):
    """The moment in which a cycle has asked for its remediation."""

    async def wait_until_reached(self, harness: StackHarness, since: float) -> str:
        """Wait for the remediation itself: the server starts it, whether a worker lives or not."""
        run = (
            await wait_until(
                f"the step {self.name}", lambda: harness.list_remediations(since), STEP_TIMEOUT_SECONDS, POLL_SECONDS
            )
        )[0]
        return run.id


async def wait_until_resumed(harness: StackHarness, crash_point: CrashPoint) -> float:
    """Return after how many seconds a worker went on where the killed one was; too late fails the test."""
    handle = harness.client.get_workflow_handle(crash_point.workflow_id)

    async def look() -> bool:
        if crash_point.activity:
            activity = (await harness.list_pending_activities(crash_point.workflow_id)).get(crash_point.activity)
            return activity is None or (activity.attempt > crash_point.attempt and activity.state == ACTIVITY_STARTED)
        history = await handle.fetch_history()
        done = [e for e in history.events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
        return any(e.event_time.ToDatetime(UTC) > datetime.fromtimestamp(crash_point.killed_at, UTC) for e in done)

    noticed = (
        DETECTION_SECONDS.get(crash_point.activity, options.HEARTBEAT_TIMEOUT.total_seconds())
        if crash_point.activity
        else WORKFLOW_TASK_TIMEOUT_SECONDS
    )
    bound = crash_point.killed_at + noticed + MARGIN_SECONDS - time.time()
    await wait_until(f"{crash_point} goes on", look, max(0.0, bound))
    return time.time() - crash_point.killed_at


def allow_one_write(lock: sqlite3.Connection) -> None:
    """Give the lock away for one transaction. It blocks: whoever waits for it writes within milliseconds."""
    version = read_data_version(lock)
    lock.execute("ROLLBACK")
    until = time.monotonic() + 5.0
    while read_data_version(lock) == version and time.monotonic() < until:
        time.sleep(0.0005)
    lock.execute("BEGIN IMMEDIATE")


def read_data_version(connection: sqlite3.Connection) -> int:
    """Return a number that changes whenever another connection has written."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
