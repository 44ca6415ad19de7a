"""What is in flight: every running remediation with the step it is in."""

import asyncio
import time
from dataclasses import dataclass, field

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowExecution, WorkflowHandle

from activities.model.identifiers import REMEDIATION_TYPES, type_query
from tests.soak.harness.deadlines import retry_while_unavailable
from workflows import search_attributes

RUNNING_QUERY = f'{type_query(*REMEDIATION_TYPES)} AND ExecutionStatus="Running"'
IDLE_STEP_BY_PHASE = {"preparing": "settle", "verifying": "between", "rolling-back": "between"}
"""What a remediation does in a phase while no activity is pending."""
ACTIVITY_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
CACHE_SECONDS = 0.4
"""Seconds for which a list is shared: many look at it, and the server has other things to do."""


@dataclass(frozen=True)
class RunningRemediation:
    """A remediation that runs, as the list of workflows tells it."""

    workflow_id: str
    run_id: str
    plan: str
    phase: str

    @property
    def site(self) -> str:
        """The Charter it works upon."""
        return self.workflow_id.split(":")[1]

    def get_handle(self, client: Client) -> WorkflowHandle[object, object]:
        """Return the hand on this very run."""
        return client.get_workflow_handle(self.workflow_id, run_id=self.run_id)


@dataclass(frozen=True)
class InFlightRemediation(RunningRemediation):
    """The same, looked at: the step is its pending activity, or what it waits for. `begun`: a worker has it."""

    step: str
    is_activity_started: bool


@dataclass
class RemediationList:
    """The list of what runs, asked for once for everybody who looks at the same time."""

    client: Client
    _cached: list[RunningRemediation] = field(default_factory=list)
    _cached_at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def list_running(self) -> list[RunningRemediation]:
        """Return the remediations that run, at most a moment ago. Raises: RPCError (the server did not come back)."""
        async with self._lock:
            if time.monotonic() > self._cached_at + CACHE_SECONDS:
                self._cached = await retry_while_unavailable(lambda: list_running(self.client))
                self._cached_at = time.monotonic()
            return self._cached


async def list_running(client: Client) -> list[RunningRemediation]:
    """Return the remediations that run now, by id. Raises: RPCError."""
    found = [parse_execution(run) async for run in client.list_workflows(RUNNING_QUERY)]
    return sorted(found, key=lambda one: one.workflow_id)


def parse_execution(execution: WorkflowExecution) -> RunningRemediation:
    """Return a run as the list tells it."""
    told = execution.typed_search_attributes
    return RunningRemediation(
        execution.id,
        execution.run_id,
        str(told.get(search_attributes.PLAN) or ""),
        str(told.get(search_attributes.PHASE) or "preparing"),
    )


async def list_in_flight(client: Client) -> list[InFlightRemediation]:
    """Return the remediations that run now, each looked at, by id. Raises: RPCError (the server did not come back)."""

    async def look() -> list[InFlightRemediation]:
        found = await asyncio.gather(*(describe_remediation(client, one) for one in await list_running(client)))
        return [one for one in found if one]

    return await retry_while_unavailable(look)


async def describe_remediation(client: Client, remediation: RunningRemediation) -> InFlightRemediation | None:
    """Return a listed run as it is, None if it has ended meanwhile. Raises: RPCError."""
    described = await remediation.get_handle(client).describe()
    if described.close_time is not None:
        return None
    phase = str(described.typed_search_attributes.get(search_attributes.PHASE) or "preparing")
    pending = list(described.raw_description.pending_activities)
    name = pending[0].activity_type.name if pending else IDLE_STEP_BY_PHASE.get(phase, phase)
    if name == "verify" and phase == "rolling-back":
        name = "verify-undo"
    begun = bool(pending) and pending[0].state == ACTIVITY_STARTED
    return InFlightRemediation(remediation.workflow_id, remediation.run_id, remediation.plan, phase, name, begun)


def distinct_steps(remediations: list[InFlightRemediation]) -> set[str]:
    """Return the different steps they are in."""
    return {one.step for one in remediations}
