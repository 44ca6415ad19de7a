"""The locks of the knobs: a running remediation holds its fixed workflow id."""

from dataclasses import dataclass

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from activities.model.errors import Unreachable
from activities.model.identifiers import SearchAttribute
from activities.model.phase import Phase

PHASE_ATTRIBUTE = SearchAttributeKey.for_keyword(SearchAttribute.PHASE)
PLAN_ATTRIBUTE = SearchAttributeKey.for_keyword(SearchAttribute.PLAN)


@dataclass(frozen=True)
class LockHolder:
    """The run that holds a lock. `cooling_down`: its outcome is recorded.

    `pending_plan_id` is its plan while it waits for an approval, empty otherwise.
    """

    run_id: str
    cooling_down: bool = False
    pending_plan_id: str = ""


class RemediationLocks:
    """Reads from Temporal which remediations run."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def is_held(self, workflow_id: str) -> bool:
        """Return whether the workflow is running. Raises: Unreachable."""
        return await self.find_holder(workflow_id) is not None

    async def find_holder(self, workflow_id: str) -> LockHolder | None:
        """Return the run that holds the lock, None if it is free.

        Raises:
            Unreachable: Temporal did not respond; then the lock is unknown, not free.
        """
        try:
            execution = await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise Unreachable(f"Temporal cannot describe {workflow_id}: {error.status.name}") from error
        if execution.status is not WorkflowExecutionStatus.RUNNING:
            return None
        phase, plan = (execution.typed_search_attributes.get(key) for key in (PHASE_ATTRIBUTE, PLAN_ATTRIBUTE))
        return LockHolder(
            execution.run_id, phase == Phase.COOLING_DOWN, (plan or "") if phase == Phase.AWAITING_APPROVAL else ""
        )
