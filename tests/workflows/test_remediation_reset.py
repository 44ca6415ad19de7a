"""A remediation that was reset (sent back) on a real server, and never comes to look at its plan again."""

import uuid

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from activities.model.errors import NotFound
from activities.model.outcome import Verdict
from activities.model.remediation import RemediationResult
from tests.workflows.activity_results import prepared, verified
from tests.workflows.history_summary import order_of
from tests.workflows.remediation_scenarios import LEFTOVER
from tests.workflows.scripted_worker import Gate
from tests.workflows.test_replay import replayer
from tests.workflows.workflow_env import Run, Stage


async def sent_back(stage: Stage, run: Run) -> Run:
    """Reset the remediation to its first workflow task, and return what goes on under its id."""
    history = await run.history()
    done = [e.event_id for e in history.events if e.HasField("workflow_task_completed_event_attributes")]
    request = ResetWorkflowExecutionRequest(
        namespace=stage.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=run.handle.id),
        reason="a test",
        workflow_task_finish_event_id=done[0],
        request_id=str(uuid.uuid4()),
    )
    answer = await stage.client.workflow_service.reset_workflow_execution(request)
    handle = stage.client.get_workflow_handle(run.handle.id, run_id=answer.run_id, result_type=RemediationResult)
    return Run(handle, run.script)


async def test_what_it_had_applied_before_is_taken_back(stage: Stage):
    """It cannot be prepared again, so it asks what stands, and undoes that before it ends."""
    gate = Gate(verified(Verdict.FIXED))
    run = await stage.remediate(
        prepare=[prepared(), NotFound("no such plan"), LEFTOVER], verify=[gate, verified(Verdict.FIXED)]
    )
    await gate.arrived()
    again = await sent_back(stage, run)
    result = await again.result()
    assert (result.outcome, bool(result.rolled_back)) == ("rolled_back", True)
    history = await again.history()
    assert ", ".join(order_of(history)).endswith("prepare leftover, undo 2, undo 0, verify rollback, record")
    # A history tells the first run's id as its own: what was decided by the id must not be decided anew.
    await replayer().replay_workflow(history)
