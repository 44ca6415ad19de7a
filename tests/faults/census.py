"""What is in flight: every running remediation with the step it is in."""

import asyncio
from dataclasses import dataclass

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecution, WorkflowHandle
from temporalio.service import RPCError

from workflows import names

RUNNING = 'WorkflowType="Remediation" AND ExecutionStatus="Running"'
IDLE = {"preparing": "settle", "verifying": "between", "rolling-back": "between"}
"""What a remediation does in a phase while no activity is pending."""
STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED


@dataclass(frozen=True)
class InFlight:
    """A remediation that runs: the step is its pending activity, or what it waits for. `begun`: a worker has it."""

    workflow_id: str
    run_id: str
    plan: str
    phase: str
    step: str
    begun: bool

    def handle(self, client: Client) -> WorkflowHandle[object, object]:
        """Return the hand on this very run."""
        return client.get_workflow_handle(self.workflow_id, run_id=self.run_id)


async def in_flight(client: Client) -> list[InFlight]:
    """Return the remediations that run now, by id."""
    listed = [run async for run in client.list_workflows(RUNNING)]
    found = await asyncio.gather(*(looked_at(client, run) for run in listed))
    return sorted((one for one in found if one), key=lambda one: one.workflow_id)


async def looked_at(client: Client, run: WorkflowExecution) -> InFlight | None:
    """Return a listed run as it is, None if it has ended meanwhile."""
    try:
        described = await client.get_workflow_handle(run.id, run_id=run.run_id).describe()
    except RPCError:
        return None
    if described.close_time is not None:
        return None
    phase = str(described.typed_search_attributes.get(names.PHASE) or "preparing")
    pending = list(described.raw_description.pending_activities)
    name = pending[0].activity_type.name if pending else IDLE.get(phase, phase)
    if name == "verify" and phase == "rolling-back":
        name = "verify-undo"
    plan = str(described.typed_search_attributes.get(names.PLAN) or "")
    return InFlight(run.id, run.run_id, plan, phase, name, bool(pending) and pending[0].state == STARTED)


def steps(held: list[InFlight]) -> set[str]:
    """Return the different steps they are in."""
    return {one.step for one in held}
