"""The remediations in flight, each with its step."""

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
"""The step of a remediation by phase, without a pending activity."""
ACTIVITY_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
CACHE_SECONDS = 0.4
"""Seconds for which a list is shared, to keep the load of the server low."""


@dataclass(frozen=True)
class RunningRemediation:
    """A running remediation, as listed by the server."""

    workflow_id: str
    run_id: str
    plan: str
    phase: str

    @property
    def site(self) -> str:
        """The Charter of the remediation."""
        return self.workflow_id.split(":")[1]

    def get_handle(self, client: Client) -> WorkflowHandle[object, object]:
        """Return the handle of this run."""
        return client.get_workflow_handle(self.workflow_id, run_id=self.run_id)


@dataclass(frozen=True)
class InFlightRemediation(RunningRemediation):
    """A described remediation: `step` is its pending activity, or the name of its wait.

    `is_activity_started`: a worker executes the activity.
    """

    step: str
    is_activity_started: bool


@dataclass
class RemediationList:
    """The list of running remediations, shared by concurrent callers."""

    client: Client
    _cached: list[RunningRemediation] = field(default_factory=list)
    _cached_at: float = 0.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def list_running(self) -> list[RunningRemediation]:
        """Return the running remediations, from a short cache. Raises: RPCError (the server stays unavailable)."""
        async with self._lock:
            if time.monotonic() > self._cached_at + CACHE_SECONDS:
                self._cached = await retry_while_unavailable(lambda: list_running(self.client))
                self._cached_at = time.monotonic()
            return self._cached


async def list_running(client: Client) -> list[RunningRemediation]:
    """Return the running remediations, by id. Raises: RPCError."""
    remediations = [parse_execution(run) async for run in client.list_workflows(RUNNING_QUERY)]
    return sorted(remediations, key=lambda remediation: remediation.workflow_id)


def parse_execution(execution: WorkflowExecution) -> RunningRemediation:
    """Return a run of the server's list."""
    attributes = execution.typed_search_attributes
    return RunningRemediation(
        execution.id,
        execution.run_id,
        str(attributes.get(search_attributes.PLAN) or ""),
        str(attributes.get(search_attributes.PHASE) or "preparing"),
    )


async def list_in_flight(client: Client) -> list[InFlightRemediation]:
    """Return the running remediations, each described, by id. Raises: RPCError (the server stays unavailable)."""

    async def describe_all() -> list[InFlightRemediation]:
        running = await list_running(client)
        described = await asyncio.gather(*(describe_remediation(client, remediation) for remediation in running))
        return [remediation for remediation in described if remediation]

    return await retry_while_unavailable(describe_all)


async def describe_remediation(client: Client, remediation: RunningRemediation) -> InFlightRemediation | None:
    """Return the description of a listed run, None if it has ended. Raises: RPCError."""
    described = await remediation.get_handle(client).describe()
    if described.close_time is not None:
        return None
    phase = str(described.typed_search_attributes.get(search_attributes.PHASE) or "preparing")
    pending = list(described.raw_description.pending_activities)
    name = pending[0].activity_type.name if pending else IDLE_STEP_BY_PHASE.get(phase, phase)
    if name == "verify" and phase == "rolling-back":
        name = "verify-undo"
    is_started = bool(pending) and pending[0].state == ACTIVITY_STARTED
    return InFlightRemediation(remediation.workflow_id, remediation.run_id, remediation.plan, phase, name, is_started)


def distinct_steps(remediations: list[InFlightRemediation]) -> set[str]:
    """Return the different steps of the remediations."""
    return {remediation.step for remediation in remediations}
