"""A remediation that was reset (sent back) on a real server, and never comes to look at its plan again."""

import uuid

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from activities.model.errors import NotFound
from activities.model.outcome import Verdict
from activities.model.remediation import RemediationResult
from tests.workflows.activity_results import make_prepare_result, make_verify_answer
from tests.workflows.history_summary import list_scheduled_activities
from tests.workflows.remediation_scenarios import LEFTOVER_ANSWER
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.test_replay import make_replayer
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv


async def reset_remediation(stage: WorkflowTestEnv, run: ScriptedRun) -> ScriptedRun:
    """Reset the remediation to its first workflow task, and return what goes on under its id."""
    history = await run.fetch_history()
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
    return ScriptedRun(handle, run.script)


async def test_what_it_had_applied_before_is_taken_back(workflow_env: WorkflowTestEnv) -> None:
    """It cannot be prepared again, so it asks what stands, and undoes that before it ends."""
    gate = HeldAnswer(make_verify_answer(Verdict.FIXED))
    run = await workflow_env.start_remediation(
        prepare=[make_prepare_result(), NotFound("no such plan"), LEFTOVER_ANSWER],
        verify=[gate, make_verify_answer(Verdict.FIXED)],
    )
    await gate.wait_for_arrival()
    again = await reset_remediation(workflow_env, run)
    result = await again.fetch_result()
    assert (result.outcome, bool(result.rolled_back)) == ("rolled_back", True)
    history = await again.fetch_history()
    assert ", ".join(list_scheduled_activities(history)).endswith(
        "prepare leftover, undo 2, undo 0, verify rollback, record"
    )
    # A history tells the first run's id as its own: what was decided by the id must not be decided anew.
    await make_replayer().replay_workflow(history)
