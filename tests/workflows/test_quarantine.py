"""A failed rollback: the other steps are still undone, and the knob stays locked until an operator releases it."""

from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.model.errors import NotFound
from activities.model.remediation import ReleaseRequest, ResumeRequest
from tests.workflows.activity_results import (
    MADE_WORSE,
    PLAN_ID,
    UNDO_FAILED,
    UNDONE,
    make_prepare_result,
    make_record_answer,
    make_unrestored_result,
)
from tests.workflows.history_summary import list_phases, list_scheduled_activities
from tests.workflows.remediation_scenarios import OUTCOME_SCENARIOS
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv
from workflows import search_attributes

RESUME_REQUEST = ResumeRequest(actor="ada", reason="repaired by hand")


async def is_quarantined(run: ScriptedRun) -> bool:
    """Return whether the knob is quarantined and its remediation runs."""
    description = await run.handle.describe()
    phase = description.typed_search_attributes.get(search_attributes.PHASE)
    return phase == "quarantined" and description.status is WorkflowExecutionStatus.RUNNING


@pytest.mark.parametrize(
    ("failed", "reason"),
    [(UNDO_FAILED, "a newer change is in force"), (NotFound("policy gone"), "step 1 could not be undone: ")],
    ids=["answered", "raised"],
)
async def test_one_failed_undo_does_not_stop_the_others(
    workflow_env: WorkflowTestEnv, failed: Any, reason: str
) -> None:
    """The second step cannot be undone, the first one is; the knob is quarantined, with the reason recorded."""
    run = await workflow_env.start_remediation(
        prepare=make_prepare_result(steps=2), verify=MADE_WORSE, undo=[failed, UNDONE]
    )
    await run.wait_until_handled("phase quarantined")
    assert list_scheduled_activities(await run.fetch_history())[3:] == [
        "verify",
        "undo 1",
        "undo 0",
        "verify rollback",
        "record",
    ]
    (record,) = run.script.requests_of("record")
    assert reason in record.undo_failed
    assert record.headline.startswith("ROLLBACK FAILED: ")
    assert await is_quarantined(run)
    await run.handle.signal("resume", RESUME_REQUEST)
    result = await run.fetch_result()
    assert (result.quarantined, result.rolled_back) == (True, ("step 0",))


async def test_an_ineffective_rollback_quarantines(workflow_env: WorkflowTestEnv) -> None:
    """Everything was undone, but the state is worse than before: an operator must release the knob."""
    run = await workflow_env.start_remediation(verify=make_unrestored_result)
    await run.wait_until_handled("phase quarantined")
    assert await is_quarantined(run)
    await run.handle.signal("resume", RESUME_REQUEST)
    assert (await run.fetch_result()).quarantined


async def test_a_cancellation_does_not_release(workflow_env: WorkflowTestEnv) -> None:
    """Cancelled, the knob stays locked; `resume` releases it in the store, with actor and reason."""
    run = await OUTCOME_SCENARIOS["quarantined"](workflow_env)
    await run.cancel_and_wait()
    assert await is_quarantined(run)
    await run.handle.signal("resume", RESUME_REQUEST)
    await run.fetch_result()
    assert run.script.requests_of("release") == [
        ReleaseRequest(plan_id=PLAN_ID, actor="ada", reason="repaired by hand")
    ]
    assert list_phases(await run.fetch_history())[-2:] == ["quarantined", "done"]


async def test_cancelled_and_released_in_one_task(workflow_env: WorkflowTestEnv) -> None:
    """Cancellation and release arrive in one task: the knob is released, once."""
    run = await OUTCOME_SCENARIOS["quarantined"](workflow_env)
    async with workflow_env.workers.paused_workflows():
        await run.handle.cancel()
        await run.handle.signal("resume", RESUME_REQUEST)
    await run.fetch_result()
    assert len(run.script.requests_of("release")) == 1


async def test_a_release_without_argument(workflow_env: WorkflowTestEnv) -> None:
    """The signal needs no argument: sent from the Temporal UI, it releases with an unknown operator."""
    run = await OUTCOME_SCENARIOS["quarantined"](workflow_env)
    await run.handle.signal("resume")
    await run.fetch_result()
    assert run.script.requests_of("release")[0].actor == "unknown operator"


async def test_an_early_release_is_ignored(workflow_env: WorkflowTestEnv) -> None:
    """A `resume` before the rollback failed is about another state: the knob stays locked."""
    undo = HeldAnswer(UNDO_FAILED)
    run = await workflow_env.start_remediation(verify=MADE_WORSE, undo=undo)
    await undo.wait_for_arrival()
    await run.handle.signal("resume", RESUME_REQUEST)
    await run.wait_until_handled("signal resume")
    undo.opened.set()
    await run.wait_until_handled("phase quarantined")
    assert await is_quarantined(run)


async def test_a_release_during_the_record_counts(workflow_env: WorkflowTestEnv) -> None:
    """The store has the quarantine a moment before the workflow: a `resume` in between is not lost."""
    record = HeldAnswer(make_record_answer())
    run = await workflow_env.start_remediation(verify=MADE_WORSE, undo=UNDO_FAILED, record=record)
    await record.wait_for_arrival()
    await run.handle.signal("resume", RESUME_REQUEST)
    record.opened.set()
    assert (await run.fetch_result()).quarantined
    assert len(run.script.requests_of("release")) == 1


async def test_a_released_knob_cools_down(workflow_env: WorkflowTestEnv) -> None:
    """A released knob still cools down."""
    run = await workflow_env.start_remediation(
        verify=MADE_WORSE, undo=UNDO_FAILED, record=make_record_answer(cool_down=60.0)
    )
    await run.wait_until_handled("phase quarantined")
    await run.handle.signal("resume", RESUME_REQUEST)
    await run.wait_until_handled("phase cooling-down")
    await run.cancel_and_wait()
    assert list_phases(await run.fetch_history())[-3:] == ["quarantined", "cooling-down", "done"]
    await run.fetch_result()
