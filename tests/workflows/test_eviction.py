"""Workflows that are evicted after every task, and replayed for the next one, behave the same."""

import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import WorkflowHistory

from activities.model.remediation import ResumeRequest
from tests.workflows.history_summary import list_scheduled_activities
from tests.workflows.remediation_scenarios import REMEDIATION_SCENARIOS
from tests.workflows.workflow_env import WorkflowTestEnv

EVICTED_SCENARIOS = [
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


UNHANDLED_COMMAND = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
"""A new event arrived while the workflow completed: a normal reply of the server."""


def list_task_failure_causes(history: WorkflowHistory) -> list[int]:
    """Return the causes of failed workflow tasks."""
    attributes = [event.workflow_task_failed_event_attributes for event in history.events]
    return [each.cause for each in attributes if each.cause]


@pytest.mark.parametrize("name", EVICTED_SCENARIOS)
async def test_an_empty_cache_changes_nothing(
    workflow_env: WorkflowTestEnv, evicting_env: WorkflowTestEnv, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """With an empty cache a scenario ends as with a full one: same order, same result, no failed task."""
    cached, evicted = await REMEDIATION_SCENARIOS[name](workflow_env), await REMEDIATION_SCENARIOS[name](evicting_env)
    history = await evicted.fetch_history()
    assert list_scheduled_activities(history) == list_scheduled_activities(await cached.fetch_history())
    assert await evicted.fetch_result() == await cached.fetch_result()
    assert [cause for cause in list_task_failure_causes(history) if cause != UNHANDLED_COMMAND] == []
    assert not [record for record in caplog.records if record.name.startswith("temporalio.worker._workflow")]


async def test_evicted_in_quarantine_after_a_cancellation(evicting_env: WorkflowTestEnv) -> None:
    """A quarantine that was cancelled and evicted continues, and ends when it is released."""
    run = await REMEDIATION_SCENARIOS["quarantined"](evicting_env)
    await run.cancel_and_wait()
    await run.handle.signal("yield", {"plan": "unknown", "outcome": "recovered"})
    await run.wait_until_handled("signal yield")
    assert "completed" not in await run.summarize_history()
    await run.handle.signal("resume", ResumeRequest(actor="ada", reason="repaired"))
    assert (await run.fetch_result()).quarantined
