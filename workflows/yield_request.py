"""The signal `yield`: ask a plan that only waits for approval to end, so that its knob is free."""

from temporalio import workflow
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from activities.model.remediation import YieldRequest


async def request_yield(workflow_id: str, request: YieldRequest) -> None:
    """Ask the plan of the request to yield: its remediation holds the lock `workflow_id`. It may have ended meanwhile.

    A cycle asks for a plan of higher risk, upkeep for a plan that is no longer needed.
    """
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal("yield", request)
    except FailureError:
        workflow.logger.info("%s no longer waits for approval", workflow_id)
