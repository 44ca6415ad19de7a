"""A plan that waits for approval: permitted decisions, and races of decision, yield and deadline."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.model.remediation import Approval, YieldRequest
from tests.workflows.activity_results import COOL_DOWN_SECONDS, PLAN_ID, make_prepare_result
from tests.workflows.remediation_scenarios import APPROVED, REJECTED, WAITING_ANSWERS
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv

SUPERSEDED_YIELD = YieldRequest(plan=PLAN_ID, outcome="superseded", reason="a plan of lower risk needs the knob")


async def send_decision(run: ScriptedRun, approval: Approval) -> str:
    """Return the workflow's reply to a decision, or why it was refused."""
    try:
        return str(await run.handle.execute_update("decide", approval, result_type=str))
    except WorkflowUpdateFailedError as error:
        return f"refused: {error.cause}"


async def start_waiting_remediation(workflow_env: WorkflowTestEnv, **changes: Any) -> ScriptedRun:
    """Return a remediation that waits for approval."""
    run = await workflow_env.start_remediation(**({"prepare": WAITING_ANSWERS} | changes))
    await run.wait_until_handled("phase awaiting-approval")
    return run


@pytest.mark.parametrize(
    ("approval", "reason"),
    [
        (APPROVED.model_copy(update={"plan": "0123456789ab"}), f"the plan that waits is {PLAN_ID}, not 0123456789ab"),
        (APPROVED.model_copy(update={"actor": " "}), "a decision needs an actor"),
    ],
    ids=["another-plan", "no-actor"],
)
async def test_refused_decision(workflow_env: WorkflowTestEnv, approval: Approval, reason: str) -> None:
    """A decision on another plan or without an actor is refused, leaves no event, and the plan keeps waiting."""
    run = await start_waiting_remediation(workflow_env)
    before = await run.summarize_history()
    assert reason in await send_decision(run, approval)
    assert await run.summarize_history() == before
    assert await send_decision(run, APPROVED) == f"plan {PLAN_ID} approved by ada"
    assert (await run.fetch_result()).outcome == "fixed"


async def test_the_requester_cannot_approve(workflow_env: WorkflowTestEnv) -> None:
    """The requester of a plan may reject it; another operator must approve it, independent of case and blanks."""
    requested = make_prepare_result(needs_approval=True, requested_by="ada")
    run = await start_waiting_remediation(workflow_env, prepare=[requested, make_prepare_result()])
    assert "another operator must approve it" in await send_decision(run, APPROVED.model_copy(update={"actor": " Ada"}))
    assert await send_decision(run, APPROVED.model_copy(update={"actor": "bob"})) == f"plan {PLAN_ID} approved by bob"
    assert (await run.fetch_result()).outcome == "fixed"
    taken_back = await start_waiting_remediation(workflow_env, prepare=[requested])
    assert await send_decision(taken_back, REJECTED) == f"plan {PLAN_ID} rejected by ada"


async def test_a_decision_with_the_former_keys_is_read(workflow_env: WorkflowTestEnv) -> None:
    """A decision with `who` and `why`, as older clients send it, counts."""
    run = await start_waiting_remediation(workflow_env)
    former = {"plan": PLAN_ID, "approve": False, "who": "ada", "why": "not today"}
    assert await run.handle.execute_update("decide", former, result_type=str) == f"plan {PLAN_ID} rejected by ada"
    assert (await run.fetch_result()).headline == "rejected by ada: not today"


async def test_a_decision_before_the_plan_waits_is_refused(workflow_env: WorkflowTestEnv) -> None:
    """There is nothing to decide before the plan waits."""
    gate = HeldAnswer(make_prepare_result())
    run = await workflow_env.start_remediation(prepare=gate)
    await gate.wait_for_arrival()
    assert "not waiting" in await send_decision(run, APPROVED)
    gate.opened.set()
    assert (await run.fetch_result()).outcome == "fixed"


async def test_only_the_first_decision_counts(workflow_env: WorkflowTestEnv) -> None:
    """A second decision is refused while the plan is prepared again."""
    gate = HeldAnswer(make_prepare_result())
    run = await start_waiting_remediation(workflow_env, prepare=[WAITING_ANSWERS[0], gate])
    assert await send_decision(run, APPROVED) == f"plan {PLAN_ID} approved by ada"
    await gate.wait_for_arrival()
    assert "not waiting" in await send_decision(run, REJECTED)
    gate.opened.set()
    assert (await run.fetch_result()).outcome == "fixed"


@pytest.mark.parametrize("changes", [{"plan": "0123456789ab"}, {}], ids=["another-plan", "too-early"])
async def test_a_yield_for_another_plan_or_too_early_is_ignored(
    workflow_env: WorkflowTestEnv, changes: dict[str, str]
) -> None:
    """A yield for another plan, or before the plan waits, does not end the plan."""
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


async def test_a_decision_in_the_task_of_the_deadline_counts(workflow_env: WorkflowTestEnv) -> None:
    """Decision and deadline arrive in one task: an acknowledged approval is carried out."""
    run = await start_waiting_remediation(
        workflow_env,
        prepare=[make_prepare_result(needs_approval=True, deadline=COOL_DOWN_SECONDS), make_prepare_result()],
    )
    async with workflow_env.workers.paused_workflows():
        reply = asyncio.create_task(send_decision(run, APPROVED))
        await run.wait_until_recorded("timer fired")
    reply_text = await reply
    assert (await run.fetch_result()).outcome == (
        "fixed" if reply_text == f"plan {PLAN_ID} approved by ada" else "expired"
    )


async def test_a_decision_in_the_task_of_a_yield_is_refused(workflow_env: WorkflowTestEnv) -> None:
    """Decision and yield arrive in one task: a plan that yields is not reported as approved."""
    run = await start_waiting_remediation(workflow_env)
    async with workflow_env.workers.paused_workflows():
        reply = asyncio.create_task(send_decision(run, APPROVED))
        await run.handle.signal("yield", SUPERSEDED_YIELD)
        await run.wait_until_recorded("signal yield")
    assert "not waiting" in await reply
    assert (await run.fetch_result()).outcome == "superseded"


async def test_a_yield_after_the_decision_is_ignored(workflow_env: WorkflowTestEnv) -> None:
    """An approved plan is carried out: a yield while it is prepared again is too late."""
    gate = HeldAnswer(make_prepare_result())
    run = await start_waiting_remediation(workflow_env, prepare=[WAITING_ANSWERS[0], gate])
    await send_decision(run, APPROVED)
    await gate.wait_for_arrival()
    await run.handle.signal("yield", SUPERSEDED_YIELD)
    await run.wait_until_handled("signal yield")
    gate.opened.set()
    assert (await run.fetch_result()).outcome == "fixed"


async def test_a_long_reason_is_truncated(workflow_env: WorkflowTestEnv) -> None:
    """A long reason in wide characters is truncated to the limit of the server, which would refuse it."""
    run = await start_waiting_remediation(workflow_env)
    await send_decision(run, REJECTED.model_copy(update={"reason": "監視" * 500}))
    assert (await run.fetch_result()).outcome == "rejected"
