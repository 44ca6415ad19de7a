"""A rollback that fails: the others are still undone, and the knob stays locked until a person releases it."""

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.model.errors import NotFound
from activities.model.remediation import ReleaseRequest, Resume
from tests.workflows.activity_results import MADE_WORSE, PLAN, UNDO_FAILED, UNDONE, not_restored, prepared, recorded
from tests.workflows.history_summary import order_of, phases_of
from tests.workflows.remediation_scenarios import ENDINGS
from tests.workflows.scripted_worker import Gate
from tests.workflows.workflow_env import Run
from workflows import names

BY_ADA = Resume(who="ada", why="repaired by hand")


async def locked(run: Run) -> bool:
    """Tell whether the knob is quarantined and its remediation runs."""
    description = await run.handle.describe()
    phase = description.typed_search_attributes.get(names.PHASE)
    return phase == "quarantined" and description.status is WorkflowExecutionStatus.RUNNING


@pytest.mark.parametrize(
    ("failed", "reason"),
    [(UNDO_FAILED, "a newer change stands"), (NotFound("policy gone"), "step 1 could not be undone: ")],
    ids=["answered", "raised"],
)
async def test_one_failed_undo_does_not_stop_the_others(stage, failed, reason):
    """The second step cannot be undone, the first one is; then the knob is quarantined, with the reason recorded."""
    run = await stage.remediate(prepare=prepared(steps=2), verify=MADE_WORSE, undo=[failed, UNDONE])
    await run.until("phase quarantined")
    assert order_of(await run.history())[3:] == ["verify", "undo 1", "undo 0", "verify rollback", "record"]
    (record,) = run.script.requests("record")
    assert reason in record.undo_failed
    assert record.headline.startswith("ROLLBACK FAILED: ")
    assert await locked(run)
    await run.handle.signal("resume", BY_ADA)
    result = await run.result()
    assert (result.quarantined, result.rolled_back) == (True, ("step 0",))


async def test_a_rollback_that_does_not_restore(stage):
    """Everything was undone, but the state is worse than before: that too needs a person."""
    run = await stage.remediate(verify=not_restored)
    await run.until("phase quarantined")
    assert await locked(run)
    await run.handle.signal("resume", BY_ADA)
    assert (await run.result()).quarantined


async def test_a_cancellation_does_not_release(stage):
    """Cancelled, the knob stays locked; `resume` releases it in the store, with who and why."""
    run = await ENDINGS["quarantined"](stage)
    await run.cancel()
    assert await locked(run)
    await run.handle.signal("resume", BY_ADA)
    await run.result()
    assert run.script.requests("release") == [ReleaseRequest(plan_id=PLAN, who="ada", why="repaired by hand")]
    assert phases_of(await run.history())[-2:] == ["quarantined", "done"]


async def test_cancelled_and_released_at_once(stage):
    """Cancellation and release reach the workflow in one task: it is released, once."""
    run = await ENDINGS["quarantined"](stage)
    async with stage.workers.asleep():
        await run.handle.cancel()
        await run.handle.signal("resume", BY_ADA)
    await run.result()
    assert len(run.script.requests("release")) == 1


async def test_released_by_somebody(stage):
    """The signal needs no argument: whoever sends it from the Temporal UI releases as somebody."""
    run = await ENDINGS["quarantined"](stage)
    await run.handle.signal("resume")
    await run.result()
    assert run.script.requests("release")[0].who == "somebody"


async def test_a_release_too_early_releases_nothing(stage):
    """A `resume` before the rollback failed is about no quarantine anybody has looked at: the knob is locked."""
    undo = Gate(UNDO_FAILED)
    run = await stage.remediate(verify=MADE_WORSE, undo=undo)
    await undo.arrived()
    await run.handle.signal("resume", BY_ADA)
    await run.until("signal resume")
    undo.opened.set()
    await run.until("phase quarantined")
    assert await locked(run)


async def test_a_release_while_it_is_recorded(stage):
    """The store knows of the quarantine a moment before the workflow does: a `resume` in between is not lost."""
    record = Gate(recorded())
    run = await stage.remediate(verify=MADE_WORSE, undo=UNDO_FAILED, record=record)
    await record.arrived()
    await run.handle.signal("resume", BY_ADA)
    record.opened.set()
    assert (await run.result()).quarantined
    assert len(run.script.requests("release")) == 1


async def test_the_knob_rests_after_its_release(stage):
    """A released knob still cools down."""
    run = await stage.remediate(verify=MADE_WORSE, undo=UNDO_FAILED, record=recorded(cool_down=60.0))
    await run.until("phase quarantined")
    await run.handle.signal("resume", BY_ADA)
    await run.until("phase cooling-down")
    await run.cancel()
    assert phases_of(await run.history())[-3:] == ["quarantined", "cooling-down", "done"]
    await run.result()
