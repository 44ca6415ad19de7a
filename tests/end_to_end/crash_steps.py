"""The steps of a cycle and of a remediation, and how the stack is kept in each of them until its worker is killed."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType, PendingActivityState

from tests.support.stack import LOOP, World
from tests.support.waiting import wait_until
from workflows import options

REACHED = 40.0
"""Seconds a step may take to be reached."""
NOTICED = {
    "monitor": options.MONITOR["start_to_close_timeout"].total_seconds(),
    "analyze": options.ANALYZE["start_to_close_timeout"].total_seconds(),
    "plan": options.PLAN["start_to_close_timeout"].total_seconds(),
    "record": options.RECORD["start_to_close_timeout"].total_seconds(),
}
"""Seconds until Temporal sees that a worker died in this activity; all others heartbeat."""
TASK = 10.0
"""Seconds until Temporal sees that a worker died with a workflow task in its hands: the server's default."""
REST = 10.0
"""Seconds besides: sticky queue 1, pause between two attempts 1, timers of at most 3, and a busy machine."""
STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
QUICK = 0.02
"""Seconds between two looks at what passes quickly."""


@dataclass(frozen=True)
class Place:
    """Where the worker was killed: in which workflow, when, and in which attempt at an activity (0: in none)."""

    workflow_id: str
    killed: float
    activity: str = ""
    attempt: int = 0


@dataclass(frozen=True)
class Step:
    """A step that keeps itself up: the activity of a workflow type, or with none what its history ends with."""

    name: str
    workflow: str
    activity: str = ""
    event: "EventType.ValueType" = EventType.EVENT_TYPE_UNSPECIFIED

    @asynccontextmanager
    async def held(self, world: World) -> AsyncIterator[None]:
        """Prepare that the step, once reached, is not left; entered before the worker starts."""
        del world
        yield

    async def reached(self, world: World, since: float) -> str:
        """Wait until a workflow that started since then is in the step, and return its id."""

        async def look() -> str:
            for run in await world.runs(f'WorkflowType="{self.workflow}" AND ExecutionStatus="Running"', since):
                if self.activity:
                    activity = (await world.pending(run.id)).get(self.activity)
                    there = activity is not None and activity.state == STARTED
                else:
                    handle = world.client.get_workflow_handle(run.id, run_id=run.run_id)
                    there = (await handle.fetch_history()).events[-1].event_type == self.event
                if there:
                    return run.id
            return ""

        return await wait_until(f"the step {self.name}", look, REACHED, QUICK)

    async def killed_in(self, world: World, since: float) -> Place:
        """Kill the worker when it is in the step, and return where that was."""
        workflow_id = await self.reached(world, since)
        await world.stack.kill("worker")
        killed, activity = time.time(), (await world.pending(workflow_id)).get(self.activity)
        assert bool(activity) == bool(self.activity), f"{self.name} was over before the worker was killed"
        return Place(workflow_id, killed, self.activity, activity.attempt if activity else 0)


@dataclass(frozen=True)
class AtCharter(Step):
    """A step kept up by Charter: requests to the route are treated in that mode, with that delay in seconds."""

    mode: str = "hang-then-execute"
    route: str = "/api/v1"
    delay: float = 4.0

    @asynccontextmanager
    async def held(self, world: World) -> AsyncIterator[None]:
        """Let Charter misbehave."""
        await world.behave(self.mode, self.route, delay=self.delay)
        yield
        await world.behave("normal")


@dataclass(frozen=True)
class Sent(AtCharter):
    """An apply whose request is under way: the audit has its row, and with `executed` so has Charter's ledger."""

    executed: bool = False

    async def reached(self, world: World, since: float) -> str:
        """Wait for the rows."""

        async def look() -> bool:
            sent = [row for row in await world.store.audit.of_loop(LOOP) if row.kind == "attempt" and row.at > since]
            return bool(await world.ledger(since) if self.executed else sent)

        await wait_until(f"the step {self.name}", look, REACHED, QUICK)
        return (await world.remedy(since)).handle.id


@dataclass(frozen=True)
class AtStore(Step):
    """A step kept up by the store, which is locked for all writers once the activity `after` is under way.

    `passes` tells whether `after` itself has to write before the step can begin.
    """

    after: str = ""
    passes: bool = False

    @asynccontextmanager
    async def held(self, world: World) -> AsyncIterator[None]:
        """Keep `after` up at Charter if it has to write: it must not have written when the store is locked."""
        if self.passes:
            await world.behave("hang-then-execute", "/api/v1/policies", delay=1.0)
        yield
        if self.passes:
            await world.behave("normal")

    async def killed_in(self, world: World, since: float) -> Place:
        """Lock the store, let `after` write if it has to, and kill the worker where it waits for the lock."""
        await Step(self.after, self.workflow, self.after).reached(world, since)
        with closing(sqlite3.connect(world.store_file, isolation_level=None, timeout=5.0)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            if self.passes:
                let_one_write(lock)
            return await super().killed_in(world, since)


@dataclass(frozen=True)
class ChildStart(Step):
    """The moment in which a cycle has asked for its remediation."""

    async def reached(self, world: World, since: float) -> str:
        """Wait for the remediation itself: the server starts it, whether a worker lives or not."""
        run = (await wait_until(f"the step {self.name}", lambda: world.remediations(since), REACHED, QUICK))[0]
        return run.id


async def gone_on(world: World, place: Place) -> float:
    """Return after how many seconds a worker went on where the killed one was; too late fails the test."""
    handle = world.client.get_workflow_handle(place.workflow_id)

    async def look() -> bool:
        if place.activity:
            activity = (await world.pending(place.workflow_id)).get(place.activity)
            return activity is None or (activity.attempt > place.attempt and activity.state == STARTED)
        history = await handle.fetch_history()
        done = [e for e in history.events if e.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
        return any(e.event_time.ToDatetime(UTC) > datetime.fromtimestamp(place.killed, UTC) for e in done)

    noticed = NOTICED.get(place.activity, options.HEARTBEAT.total_seconds()) if place.activity else TASK
    bound = place.killed + noticed + REST - time.time()
    await wait_until(f"{place} goes on", look, max(0.0, bound))
    return time.time() - place.killed


def let_one_write(lock: sqlite3.Connection) -> None:
    """Give the lock away for one transaction. It blocks: whoever waits for it writes within milliseconds."""
    version = data_version(lock)
    lock.execute("ROLLBACK")
    until = time.monotonic() + 5.0
    while data_version(lock) == version and time.monotonic() < until:
        time.sleep(0.0005)
    lock.execute("BEGIN IMMEDIATE")


def data_version(connection: sqlite3.Connection) -> int:
    """Return a number that changes whenever another connection has written."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])
