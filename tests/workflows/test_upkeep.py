"""A round of upkeep: leftovers are settled under the lock, what waits for nothing is asked to give way."""

from temporalio.client import WorkflowExecutionStatus

from activities.model.intake import Upkeep
from tests.workflows import activity_results
from tests.workflows.activity_results import PLAN, plan_brief
from tests.workflows.history_summary import order_of
from tests.workflows.loop_scenarios import ends_a_rest, recovered, upkeep
from tests.workflows.remediation_scenarios import LEFTOVER, WAITS
from workflows import names


async def test_nothing_to_do(stage):
    """A round that finds nothing starts nothing and asks nobody."""
    found = Upkeep(headline="0 leftovers", closed=2, expired=3)
    run = await upkeep(stage, found)
    assert await run.result() == found
    assert await run.story() == ["upkeep", "upkeep done", "completed"]


async def test_a_leftover_is_settled(stage):
    """A remediation under the knob's own id rolls back what stands, and survives the round that started it."""
    brief = plan_brief(stage.fresh("knob"))
    stage.lay_out(brief.workflow_id, activity_results.remediation(prepare=LEFTOVER))
    await upkeep(stage, Upkeep(headline="1 leftover", leftovers=(brief,)))
    child = stage.child(brief.workflow_id)
    assert (await child.result()).outcome == "stopped"
    assert order_of(await child.history()) == ["prepare leftover", "undo 2", "undo 0", "verify rollback", "record"]
    assert [await child.attribute(key) for key in (names.KNOB, names.PLAN)] == [brief.knob, PLAN]


async def test_a_locked_leftover_waits(stage):
    """A knob that is remediated again is left alone, and the next leftover is settled all the same."""
    locked, free = plan_brief(stage.fresh("knob")), plan_brief(stage.fresh("knob"))
    holder = await stage.remediate(knob=locked.knob, prepare=WAITS)
    await holder.until("phase awaiting-approval")
    stage.lay_out(free.workflow_id, activity_results.remediation(prepare=LEFTOVER))
    run = await upkeep(stage, Upkeep(headline="2 leftovers", leftovers=(locked, free)))
    assert "child refused" in await run.story()
    assert (await stage.child(free.workflow_id).result()).outcome == "stopped"
    assert (await holder.handle.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_who_waits_for_nothing_gives_way(stage):
    """A plan that waits while its violations are gone ends as recovered; a lock that is gone does no harm."""
    waiting = await stage.remediate(prepare=WAITS)
    await waiting.until("phase awaiting-approval")
    found = Upkeep(
        headline="2 to give way", yielding=(recovered("mapek-fix:charter:gone"), recovered(waiting.handle.id))
    )
    run = await upkeep(stage, found)
    assert [word for word in await run.story() if "signal" in word] == ["signal refused", "signalled"]
    assert (await waiting.result()).outcome == "recovered"


async def test_a_rest_ends_for_what_turned_up_late(stage):
    """Whoever only cools down makes room within the round; the late change is undone under the same lock."""
    run = await ends_a_rest(stage)
    (late,) = (await run.result()).leftovers
    assert (await stage.child(late.workflow_id).result()).rolled_back == ("step 2", "step 0")
