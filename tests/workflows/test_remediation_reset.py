"""A remediation that was reset on a real server, and whose plan cannot be prepared again."""

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


async def reset_remediation(env: WorkflowTestEnv, run: ScriptedRun) -> ScriptedRun:
    """Reset the remediation to its first workflow task, and return the run that continues under its id."""
    history = await run.fetch_history()
    done = [e.event_id for e in history.events if e.HasField("workflow_task_completed_event_attributes")]
    request = ResetWorkflowExecutionRequest(
        namespace=env.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=run.handle.id),
        reason="a test",
        workflow_task_finish_event_id=done[0],
        request_id=str(uuid.uuid4()),
    )
    answer = await env.client.workflow_service.reset_workflow_execution(request)
    handle = env.client.get_workflow_handle(run.handle.id, run_id=answer.run_id, result_type=RemediationResult)
    return ScriptedRun(handle, run.script)


async def test_steps_applied_before_the_reset_are_undone(workflow_env: WorkflowTestEnv) -> None:
    """The plan cannot be prepared again, so its applied steps are found and undone before the end."""
    gate = HeldAnswer(make_verify_answer(Verdict.FIXED))
    run = await workflow_env.start_remediation(
        prepare=[make_prepare_result(), NotFound("no such plan"), LEFTOVER_ANSWER],
        verify=[gate, make_verify_answer(Verdict.FIXED)],
    )
    await gate.wait_for_arrival()
    continued = await reset_remediation(workflow_env, run)
    result = await continued.fetch_result()
    assert (result.outcome, bool(result.rolled_back)) == ("rolled_back", True)
    history = await continued.fetch_history()
    assert ", ".join(list_scheduled_activities(history)).endswith(
        "prepare leftover, undo 2, undo 0, verify rollback, record"
    )
    # A history gives the first run's id as its own: a decision by the id must not be repeated in replay.
    await make_replayer().replay_workflow(history)
