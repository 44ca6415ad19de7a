"""A plan that waits for a person: who may decide what when, and what happens when two things happen at once."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.model.remediation import Approval, YieldRequest
from tests.workflows.activity_results import COOL_DOWN_SECONDS, PLAN_ID, make_prepare_result
from tests.workflows.remediation_scenarios import APPROVED, REJECTED, WAITING_ANSWERS
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv

SUPERSEDED_YIELD = YieldRequest(plan=PLAN_ID, outcome="superseded", reason="a plan of lower risk wants the knob")


async def send_decision(run: ScriptedRun, approval: Approval) -> str:
    """Return the workflow's reply to a decision, or why it was refused."""
    try:
        return str(await run.handle.execute_update("decide", approval, result_type=str))
    except WorkflowUpdateFailedError as error:
        return f"refused: {error.cause}"


async def start_waiting_remediation(workflow_env: WorkflowTestEnv, **changes: Any) -> ScriptedRun:
    """Return a remediation that waits for its approval."""
    run = await workflow_env.start_remediation(**({"prepare": WAITING_ANSWERS} | changes))
    await run.wait_until_handled("phase awaiting-approval")
    return run


@pytest.mark.parametrize(
    ("approval", "why"),
    [
        (APPROVED.model_copy(update={"plan": "0123456789ab"}), f"the plan that waits is {PLAN_ID}, not 0123456789ab"),
        (APPROVED.model_copy(update={"actor": " "}), "a decision needs an actor"),
    ],
    ids=["another-plan", "nobody"],
)
async def test_refused_decision(workflow_env: WorkflowTestEnv, approval: Approval, why: str) -> None:
    """A decision on another plan, or by nobody, is refused, leaves no trace in history, and the plan waits on."""
    run = await start_waiting_remediation(workflow_env)
    before = await run.summarize_history()
    assert why in await send_decision(run, approval)
    assert await run.summarize_history() == before
    assert await send_decision(run, APPROVED) == f"plan {PLAN_ID} approved by ada"
    assert (await run.fetch_result()).outcome == "fixed"


async def test_the_requester_is_not_the_approver(workflow_env: WorkflowTestEnv) -> None:
    """Who asked for a plan may take it back, but somebody else has to approve it, however the name is written."""
    asked = make_prepare_result(needs_approval=True, requested_by="ada")
    run = await start_waiting_remediation(workflow_env, prepare=[asked, make_prepare_result()])
    assert "another operator must approve it" in await send_decision(run, APPROVED.model_copy(update={"actor": " Ada"}))
    assert await send_decision(run, APPROVED.model_copy(update={"actor": "bob"})) == f"plan {PLAN_ID} approved by bob"
    assert (await run.fetch_result()).outcome == "fixed"
    taken_back = await start_waiting_remediation(workflow_env, prepare=[asked])
    assert await send_decision(taken_back, REJECTED) == f"plan {PLAN_ID} rejected by ada"


async def test_nobody_asked(workflow_env: WorkflowTestEnv) -> None:
    """Before the plan waits there is nothing to decide."""
    gate = HeldAnswer(make_prepare_result())
    run = await workflow_env.start_remediation(prepare=gate)
    await gate.wait_for_arrival()
    assert "not waiting" in await send_decision(run, APPROVED)
    gate.opened.set()
    assert (await run.fetch_result()).outcome == "fixed"


async def test_decided_once(workflow_env: WorkflowTestEnv) -> None:
    """The first decision stands; a second one is refused while the plan is prepared again."""
    gate = HeldAnswer(make_prepare_result())
    run = await start_waiting_remediation(workflow_env, prepare=[WAITING_ANSWERS[0], gate])
    assert await send_decision(run, APPROVED) == f"plan {PLAN_ID} approved by ada"
    await gate.wait_for_arrival()
    assert "not waiting" in await send_decision(run, REJECTED)
    gate.opened.set()
    assert (await run.fetch_result()).outcome == "fixed"


@pytest.mark.parametrize("changes", [{"plan": "0123456789ab"}, {}], ids=["another-plan", "too-early"])
async def test_a_yield_for_nobody(workflow_env: WorkflowTestEnv, changes: dict[str, str]) -> None:
    """A yield that names another plan, or comes when nobody waits yet, does not end the plan."""
    gate = HeldAnswer(WAITING_ANSWERS[0])
    run = await workflow_env.start_remediation(prepare=[gate, make_prepare_result()])
    await gate.wait_for_arrival()
    if not changes:
        await run.handle.signal("yield", SUPERSEDED_YIELD)
    gate.opened.set()
    await run.wait_until_handled("phase awaiting-approval")
    if changes:
        await run.handle.signal("yield", SUPERSEDED_YIELD.model_copy(update=changes))
    assert await send_decision(run, APPROVED) == f"plan {PLAN_ID} approved by ada"
    assert (await run.fetch_result()).outcome == "fixed"


async def test_decided_as_the_deadline_passes(workflow_env: WorkflowTestEnv) -> None:
    """Decision and deadline reach the workflow in one task: a person who was told `approved` is not overruled."""
    run = await start_waiting_remediation(
        workflow_env,
        prepare=[make_prepare_result(needs_approval=True, deadline=COOL_DOWN_SECONDS), make_prepare_result()],
    )
    async with workflow_env.workers.paused_workflows():
        reply = asyncio.create_task(send_decision(run, APPROVED))
        await run.wait_until_recorded("timer fired")
    told = await reply
    assert (await run.fetch_result()).outcome == ("fixed" if told == f"plan {PLAN_ID} approved by ada" else "expired")


async def test_decided_as_it_gives_way(workflow_env: WorkflowTestEnv) -> None:
    """Decision and yield reach the workflow in one task: what gives way is not called approved."""
    run = await start_waiting_remediation(workflow_env)
    async with workflow_env.workers.paused_workflows():
        reply = asyncio.create_task(send_decision(run, APPROVED))
        await run.handle.signal("yield", SUPERSEDED_YIELD)
        await run.wait_until_recorded("signal yield")
    assert "not waiting" in await reply
    assert (await run.fetch_result()).outcome == "superseded"


async def test_a_yield_after_the_decision(workflow_env: WorkflowTestEnv) -> None:
    """Once it is decided, the plan is carried out: a yield that comes while it is prepared again is too late."""
    gate = HeldAnswer(make_prepare_result())
    run = await start_waiting_remediation(workflow_env, prepare=[WAITING_ANSWERS[0], gate])
    await send_decision(run, APPROVED)
    await gate.wait_for_arrival()
    await run.handle.signal("yield", SUPERSEDED_YIELD)
    await run.wait_until_handled("signal yield")
    gate.opened.set()
    assert (await run.fetch_result()).outcome == "fixed"


async def test_a_reason_of_many_bytes(workflow_env: WorkflowTestEnv) -> None:
    """A long reason in wide characters is cut to what the server takes, not refused by it task after task."""
    run = await start_waiting_remediation(workflow_env)
    await send_decision(run, REJECTED.model_copy(update={"reason": "監視" * 500}))
    assert (await run.fetch_result()).outcome == "rejected"
