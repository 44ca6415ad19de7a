"""The locks of the knobs: a remediation's fixed workflow id is held while it runs."""

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.model.errors import Unreachable


class Locks:
    """Asks Temporal which remediations run."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def held(self, workflow_id: str) -> bool:
        """Tell whether the workflow is running.

        Raises:
            Unreachable: Temporal could not be asked; not knowing is not "free".
        """
        try:
            found = await self._client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise Unreachable(f"Temporal could not be asked for {workflow_id}: {error.status.name}") from error
        return found.status is WorkflowExecutionStatus.RUNNING
