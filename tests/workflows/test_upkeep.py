"""A round of upkeep: leftovers are rolled back under the lock, and plans that wait without need yield."""

from temporalio.client import WorkflowExecutionStatus

from activities.model.upkeep import UpkeepResult
from tests.workflows import activity_results
from tests.workflows.activity_results import PLAN_ID, make_plan_summary
from tests.workflows.history_summary import list_scheduled_activities
from tests.workflows.loop_scenarios import make_yield_order, run_upkeep, run_upkeep_ending_cool_down
from tests.workflows.remediation_scenarios import LEFTOVER_ANSWER, WAITING_ANSWERS
from tests.workflows.workflow_env import WorkflowTestEnv
from workflows import search_attributes


async def test_an_empty_round_starts_nothing(workflow_env: WorkflowTestEnv) -> None:
    """A round without work starts nothing and sends nothing."""
    upkeep_result = UpkeepResult(headline="0 leftovers", closed=2, expired=3)
    run = await run_upkeep(workflow_env, upkeep_result)
    assert await run.fetch_result() == upkeep_result
    assert await run.summarize_history() == ["upkeep", "upkeep done", "completed"]


async def test_a_leftover_is_rolled_back(workflow_env: WorkflowTestEnv) -> None:
    """A remediation under the knob's own id rolls the leftover back, and outlives the round."""
    summary = make_plan_summary(workflow_env.unique_name("knob"))
    workflow_env.set_script(summary.workflow_id, activity_results.make_remediation_script(prepare=LEFTOVER_ANSWER))
    await run_upkeep(workflow_env, UpkeepResult(headline="1 leftover", leftovers=(summary,)))
    child = workflow_env.expect_child(summary.workflow_id)
    assert (await child.fetch_result()).outcome == "stopped"
    assert list_scheduled_activities(await child.fetch_history()) == [
        "prepare leftover",
        "undo 2",
        "undo 0",
        "verify rollback",
        "record",
    ]
    assert [await child.fetch_attribute(key) for key in (search_attributes.KNOB, search_attributes.PLAN)] == [
        summary.knob,
        PLAN_ID,
    ]


async def test_a_locked_leftover_waits(workflow_env: WorkflowTestEnv) -> None:
    """A leftover on a locked knob waits, and the next one is rolled back all the same."""
    locked, free = (
        make_plan_summary(workflow_env.unique_name("knob")),
        make_plan_summary(workflow_env.unique_name("knob")),
    )
    holder = await workflow_env.start_remediation(knob=locked.knob, prepare=WAITING_ANSWERS)
    await holder.wait_until_handled("phase awaiting-approval")
    workflow_env.set_script(free.workflow_id, activity_results.make_remediation_script(prepare=LEFTOVER_ANSWER))
    run = await run_upkeep(workflow_env, UpkeepResult(headline="2 leftovers", leftovers=(locked, free)))
    assert "child refused" in await run.summarize_history()
    assert (await workflow_env.expect_child(free.workflow_id).fetch_result()).outcome == "stopped"
    assert (await holder.handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_a_recovered_plan_yields(workflow_env: WorkflowTestEnv) -> None:
    """A plan that waits while its violations are gone ends as recovered; an ended remediation does no harm."""
    waiting = await workflow_env.start_remediation(prepare=WAITING_ANSWERS)
    await waiting.wait_until_handled("phase awaiting-approval")
    upkeep_result = UpkeepResult(
        headline="2 to yield",
        yield_orders=(make_yield_order("mapek-fix:charter:gone"), make_yield_order(waiting.handle.id)),
    )
    run = await run_upkeep(workflow_env, upkeep_result)
    assert [word for word in await run.summarize_history() if "signal" in word] == ["signal refused", "signalled"]
    assert (await waiting.fetch_result()).outcome == "recovered"


async def test_a_cool_down_ends_for_a_late_leftover(workflow_env: WorkflowTestEnv) -> None:
    """A cool-down ends within the round; the late change is undone under the same lock."""
    run = await run_upkeep_ending_cool_down(workflow_env)
    (leftover,) = (await run.fetch_result()).leftovers
    assert (await workflow_env.expect_child(leftover.workflow_id).fetch_result()).rolled_back == ("step 2", "step 0")
