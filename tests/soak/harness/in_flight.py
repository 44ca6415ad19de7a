"""What is in flight: every running remediation with the step it is in."""

import asyncio
import time
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecution, WorkflowHandle

from tests.soak.harness.deadlines import patiently
from workflows import names

RUNNING = 'WorkflowType="Remediation" AND ExecutionStatus="Running"'
IDLE = {"preparing": "settle", "verifying": "between", "rolling-back": "between"}
"""What a remediation does in a phase while no activity is pending."""
STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
FRESH = 0.4
"""Seconds for which a list is shared: many look at it, and the server has other things to do."""


@dataclass(frozen=True)
class Running:
    """A remediation that runs, as the list of workflows tells it."""

    workflow_id: str
    run_id: str
    plan: str
    phase: str

    @property
    def site(self) -> str:
        """The Charter it works upon."""
        return self.workflow_id.split(":")[1]

    def handle(self, client: Client) -> WorkflowHandle[object, object]:
        """Return the hand on this very run."""
        return client.get_workflow_handle(self.workflow_id, run_id=self.run_id)


@dataclass(frozen=True)
class InFlight(Running):
    """The same, looked at: the step is its pending activity, or what it waits for. `begun`: a worker has it."""

    step: str
    begun: bool


@dataclass
class Census:
    """The list of what runs, asked for once for everybody who looks at the same time."""

    client: Client
    _found: list[Running] = field(default_factory=list)
    _at: float = 0.0
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def running(self) -> list[Running]:
        """Return the remediations that run, at most a moment ago. Raises: RPCError (the server did not come back)."""
        async with self._asking:
            if time.monotonic() > self._at + FRESH:
                self._found = await patiently(lambda: listed(self.client))
                self._at = time.monotonic()
            return self._found


async def listed(client: Client) -> list[Running]:
    """Return the remediations that run now, by id. Raises: RPCError."""
    found = [running(run) async for run in client.list_workflows(RUNNING)]
    return sorted(found, key=lambda one: one.workflow_id)


def running(run: WorkflowExecution) -> Running:
    """Return a run as the list tells it."""
    told = run.typed_search_attributes
    return Running(run.id, run.run_id, str(told.get(names.PLAN) or ""), str(told.get(names.PHASE) or "preparing"))


async def in_flight(client: Client) -> list[InFlight]:
    """Return the remediations that run now, each looked at, by id. Raises: RPCError (the server did not come back)."""

    async def look() -> list[InFlight]:
        found = await asyncio.gather(*(looked_at(client, one) for one in await listed(client)))
        return [one for one in found if one]

    return await patiently(look)


async def looked_at(client: Client, one: Running) -> InFlight | None:
    """Return a listed run as it is, None if it has ended meanwhile. Raises: RPCError."""
    described = await one.handle(client).describe()
    if described.close_time is not None:
        return None
    phase = str(described.typed_search_attributes.get(names.PHASE) or "preparing")
    pending = list(described.raw_description.pending_activities)
    name = pending[0].activity_type.name if pending else IDLE.get(phase, phase)
    if name == "verify" and phase == "rolling-back":
        name = "verify-undo"
    begun = bool(pending) and pending[0].state == STARTED
    return InFlight(one.workflow_id, one.run_id, one.plan, phase, name, begun)


def steps(held: list[InFlight]) -> set[str]:
    """Return the different steps they are in."""
    return {one.step for one in held}
