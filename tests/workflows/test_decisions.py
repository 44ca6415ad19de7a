"""A plan that waits for a person: who may decide what when, and what happens when two things happen at once."""

import asyncio

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.model.remediation import Approval, Yield
from tests.workflows.activity_results import MOMENT, PLAN, prepared
from tests.workflows.remediation_scenarios import NO, WAITS, YES
from tests.workflows.scripted_worker import Gate
from tests.workflows.workflow_env import Run

GIVE_WAY = Yield(plan=PLAN, ending="superseded", why="a plan of lower risk wants the knob")


async def decide(run: Run, approval: Approval) -> str:
    """Return the workflow's reply to a decision, or why it was refused."""
    try:
        return await run.handle.execute_update("decide", approval, result_type=str)
    except WorkflowUpdateFailedError as error:
        return f"refused: {error.cause}"


async def waiting(stage, **changes) -> Run:
    """Return a remediation that waits for its approval."""
    run = await stage.remediate(**({"prepare": WAITS} | changes))
    await run.until("phase awaiting-approval")
    return run


@pytest.mark.parametrize(
    ("approval", "why"),
    [
        (YES.model_copy(update={"plan": "0123456789ab"}), f"the plan that waits is {PLAN}, not 0123456789ab"),
        (YES.model_copy(update={"who": " "}), "a decision needs a name"),
    ],
    ids=["another-plan", "nobody"],
)
async def test_refused_decision(stage, approval, why):
    """A decision on another plan, or by nobody, is refused, leaves no trace in history, and the plan waits on."""
    run = await waiting(stage)
    before = await run.story()
    assert why in await decide(run, approval)
    assert await run.story() == before
    assert await decide(run, YES) == f"plan {PLAN} approved by ada"
    assert (await run.result()).outcome == "fixed"


async def test_the_requester_is_not_the_approver(stage):
    """Who asked for a plan may take it back, but somebody else has to approve it, however the name is written."""
    asked = prepared(needs_approval=True, requested_by="ada")
    run = await waiting(stage, prepare=[asked, prepared()])
    assert "somebody else has to approve it" in await decide(run, YES.model_copy(update={"who": " Ada"}))
    assert await decide(run, YES.model_copy(update={"who": "bob"})) == f"plan {PLAN} approved by bob"
    assert (await run.result()).outcome == "fixed"
    taken_back = await waiting(stage, prepare=[asked])
    assert await decide(taken_back, NO) == f"plan {PLAN} rejected by ada"


async def test_nobody_asked(stage):
    """Before the plan waits there is nothing to decide."""
    gate = Gate(prepared())
    run = await stage.remediate(prepare=gate)
    await gate.arrived()
    assert "not waiting" in await decide(run, YES)
    gate.opened.set()
    assert (await run.result()).outcome == "fixed"


async def test_decided_once(stage):
    """The first decision stands; a second one is refused while the plan is prepared again."""
    gate = Gate(prepared())
    run = await waiting(stage, prepare=[WAITS[0], gate])
    assert await decide(run, YES) == f"plan {PLAN} approved by ada"
    await gate.arrived()
    assert "not waiting" in await decide(run, NO)
    gate.opened.set()
    assert (await run.result()).outcome == "fixed"


@pytest.mark.parametrize("changes", [{"plan": "0123456789ab"}, {}], ids=["another-plan", "too-early"])
async def test_a_yield_for_nobody(stage, changes):
    """A yield that names another plan, or comes when nobody waits yet, does not end the plan."""
    gate = Gate(WAITS[0])
    run = await stage.remediate(prepare=[gate, prepared()])
    await gate.arrived()
    if not changes:
        await run.handle.signal("yield", GIVE_WAY)
    gate.opened.set()
    await run.until("phase awaiting-approval")
    if changes:
        await run.handle.signal("yield", GIVE_WAY.model_copy(update=changes))
    assert await decide(run, YES) == f"plan {PLAN} approved by ada"
    assert (await run.result()).outcome == "fixed"


async def test_decided_as_the_deadline_passes(stage):
    """Decision and deadline reach the workflow in one task: a person who was told `approved` is not overruled."""
    run = await waiting(stage, prepare=[prepared(needs_approval=True, deadline=MOMENT), prepared()])
    async with stage.workers.asleep():
        reply = asyncio.create_task(decide(run, YES))
        await run.told("timer fired")
    told = await reply
    assert (await run.result()).outcome == ("fixed" if told == f"plan {PLAN} approved by ada" else "expired")


async def test_decided_as_it_gives_way(stage):
    """Decision and yield reach the workflow in one task: what gives way is not called approved."""
    run = await waiting(stage)
    async with stage.workers.asleep():
        reply = asyncio.create_task(decide(run, YES))
        await run.handle.signal("yield", GIVE_WAY)
        await run.told("signal yield")
    assert "not waiting" in await reply
    assert (await run.result()).outcome == "superseded"


async def test_a_yield_after_the_decision(stage):
    """Once it is decided, the plan is carried out: a yield that comes while it is prepared again is too late."""
    gate = Gate(prepared())
    run = await waiting(stage, prepare=[WAITS[0], gate])
    await decide(run, YES)
    await gate.arrived()
    await run.handle.signal("yield", GIVE_WAY)
    await run.until("signal yield")
    gate.opened.set()
    assert (await run.result()).outcome == "fixed"


async def test_a_reason_of_many_bytes(stage):
    """A long reason in wide characters is cut to what the server takes, not refused by it task after task."""
    run = await waiting(stage)
    await decide(run, NO.model_copy(update={"why": "監視" * 500}))
    assert (await run.result()).outcome == "rejected"
