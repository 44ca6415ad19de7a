"""Workflows that are evicted after every task, and so replayed from the start for the next one, do the same."""

import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import WorkflowHistory

from activities.model.remediation import Resume
from tests.workflows.history_summary import order_of
from tests.workflows.remediation_scenarios import REMEDIATIONS

SCENES = [
    "fixed-approved",
    "rolled_back-second-step-failed",
    "released",
    "leftover",
    "stopped-applying",
    "stopped-between-steps",
    "stopped-verifying",
    "stopped-rolling-back",
    "stopped-recording",
    "stopped-cooling-down",
]


UNHANDLED = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
"""The server's way to tell that something new came while the workflow wanted to end; no fault of anybody."""


def failed_tasks(history: WorkflowHistory) -> list[int]:
    """Return why workflow tasks failed, one cause each."""
    attributes = [event.workflow_task_failed_event_attributes for event in history.events]
    return [each.cause for each in attributes if each.cause]


@pytest.mark.parametrize("name", SCENES)
async def test_evicted_all_the_time(stage, forgetful_stage, caplog, name):
    """With an empty cache a scene ends as with a full one: same order, same result, no task failed."""
    cached, evicted = await REMEDIATIONS[name](stage), await REMEDIATIONS[name](forgetful_stage)
    history = await evicted.history()
    assert order_of(history) == order_of(await cached.history())
    assert await evicted.result() == await cached.result()
    assert [cause for cause in failed_tasks(history) if cause != UNHANDLED] == []
    assert not [record for record in caplog.records if record.name.startswith("temporalio.worker._workflow")]


async def test_evicted_in_quarantine_after_a_cancellation(forgetful_stage):
    """A quarantine that was cancelled and evicted is still one, and still ends when it is released."""
    run = await REMEDIATIONS["quarantined"](forgetful_stage)
    await run.cancel()
    await run.handle.signal("yield", {"plan": "of nobody", "ending": "recovered"})
    await run.until("signal yield")
    assert "completed" not in await run.story()
    await run.handle.signal("resume", Resume(who="ada", why="repaired"))
    assert (await run.result()).quarantined
