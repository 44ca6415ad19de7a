"""Scenarios of remediations: each plays one, with the actions of operators and servers, to its end.

The names are those of the golden histories. A scenario has a cool-down only if it is needed.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from activities.model.errors import NotFound, Rejected, Stale
from activities.model.outcome import Consequence, Verdict
from activities.model.remediation import Approval, ResumeRequest, Step, YieldRequest
from tests.workflows.activity_results import (
    COOL_DOWN_SECONDS,
    MADE_WORSE,
    NOTHING_TO_UNDO,
    PLAN_ID,
    UNDO_FAILED,
    UNDONE,
    make_apply_result,
    make_prepare_result,
    make_record_answer,
    make_verify_answer,
)
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv

Scenario = Callable[[WorkflowTestEnv], Awaitable[ScriptedRun]]

WAITING_ANSWERS = [make_prepare_result(needs_approval=True), make_prepare_result()]
"""The answers of `prepare` before and after an approval."""
APPROVED = Approval(plan=PLAN_ID, approve=True, actor="ada", reason="looks right")
REJECTED = Approval(plan=PLAN_ID, approve=False, actor="ada", reason="not today")


def make_scenario(**script: Any) -> Scenario:
    """Return a scenario without interference."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        run = await env.start_remediation(**script)
        await run.fetch_result()
        return run

    return play


def make_decided_scenario(approval: Approval, **script: Any) -> Scenario:
    """Return a scenario in which an operator decides on the waiting plan."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        run = await env.start_remediation(**({"prepare": WAITING_ANSWERS} | script))
        await run.wait_until_handled("phase awaiting-approval")
        await run.handle.execute_update("decide", approval)
        await run.fetch_result()
        return run

    return play


def make_yielded_scenario(outcome: str) -> Scenario:
    """Return a scenario in which the waiting plan yields."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        run = await env.start_remediation(prepare=WAITING_ANSWERS)
        await run.wait_until_handled("phase awaiting-approval")
        await run.handle.signal("yield", YieldRequest(plan=PLAN_ID, outcome=outcome, reason=f"it {outcome}"))
        await run.fetch_result()
        return run

    return play


def make_cancelled_in_activity(activity: str, answer: Any, **script: Any) -> Scenario:
    """Return a scenario with a cancellation during this activity, which then ends with `answer`."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        gate = HeldAnswer(answer)
        run = await env.start_remediation(**(script | {activity: [gate, answer]}))
        await gate.wait_for_arrival()
        await run.cancel_and_wait()
        gate.opened.set()
        await run.fetch_result()
        return run

    return play


def make_cancelled_after(event: str, **script: Any) -> Scenario:
    """Return a scenario with a cancellation after this event."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        run = await env.start_remediation(**script)
        await run.wait_until_handled(event)
        await run.cancel_and_wait()
        await run.fetch_result()
        return run

    return play


async def run_cancelled_in_rollback_check(env: WorkflowTestEnv) -> ScriptedRun:
    """Cancel while the rollback is verified."""
    gate = HeldAnswer(make_verify_answer(Verdict.FIXED))
    run = await env.start_remediation(verify=[MADE_WORSE, gate])
    await gate.wait_for_arrival()
    await run.cancel_and_wait()
    gate.opened.set()
    await run.fetch_result()
    return run


def make_open_scenario(phase: str, **script: Any) -> Scenario:
    """Return a scenario that ends in this phase: its history continues under later code."""

    async def play(env: WorkflowTestEnv) -> ScriptedRun:
        run = await env.start_remediation(**script)
        await run.wait_until_handled(f"phase {phase}")
        return run

    return play


async def run_until_verifying(env: WorkflowTestEnv) -> ScriptedRun:
    """Stop during the verification, the longest step of a remediation."""
    gate = HeldAnswer(make_verify_answer(Verdict.FIXED))
    run = await env.start_remediation(verify=gate)
    await gate.wait_for_arrival()
    return run


async def run_until_quarantined(env: WorkflowTestEnv) -> ScriptedRun:
    """Let the rollback fail: the knob stays locked, and the history is open."""
    run = await env.start_remediation(verify=MADE_WORSE, undo=UNDO_FAILED)
    await run.wait_until_handled("phase quarantined")
    return run


async def run_until_released(env: WorkflowTestEnv) -> ScriptedRun:
    """Cancel a quarantined remediation, without effect, and then release it."""
    run = await run_until_quarantined(env)
    await run.cancel_and_wait()
    await run.handle.signal("resume", ResumeRequest(actor="ada", reason="repaired by hand"))
    await run.fetch_result()
    return run


LEFTOVER_ANSWER = make_prepare_result(steps=3).model_copy(
    update={
        "steps": (
            Step(summary="step 0", is_applied=True),
            Step(summary="step 1"),
            Step(summary="step 2", is_applied=True),
        )
    }
)
BEST_EFFORT_ANSWER = make_prepare_result(steps=2, transactional=False)
SECOND_STEP_REFUSED = [make_apply_result, Rejected("422: no such policy")]

OUTCOME_SCENARIOS: dict[str, Scenario] = {
    "fixed": make_scenario(record=make_record_answer(cool_down=COOL_DOWN_SECONDS)),
    "fixed-after-settling": make_scenario(settle=COOL_DOWN_SECONDS),
    "fixed-in-two-steps": make_scenario(prepare=make_prepare_result(steps=2)),
    "improved": make_scenario(verify=make_verify_answer(Verdict.IMPROVED)),
    "no_effect": make_scenario(verify=make_verify_answer(Verdict.NO_EFFECT)),
    "worse": make_scenario(verify=make_verify_answer(Verdict.WORSE, Consequence.ESCALATE)),
    "inconclusive": make_scenario(verify=make_verify_answer(Verdict.INCONCLUSIVE)),
    "rolled_back": make_scenario(verify=MADE_WORSE, record=make_record_answer(cool_down=COOL_DOWN_SECONDS)),
    "rolled_back-two-steps": make_scenario(prepare=make_prepare_result(steps=2), verify=MADE_WORSE),
    "rolled_back-unverified": make_scenario(verify=NotFound("plan gone")),
    "inconclusive-unverified": make_scenario(prepare=make_prepare_result(risky=False), verify=NotFound("plan gone")),
    "rolled_back-apply-unknown": make_scenario(apply=Rejected("422 after a lost reply")),
    "rolled_back-second-step-failed": make_scenario(prepare=make_prepare_result(steps=2), apply=SECOND_STEP_REFUSED),
    "fixed-by-the-first-step": make_scenario(
        prepare=BEST_EFFORT_ANSWER, apply=SECOND_STEP_REFUSED, undo=NOTHING_TO_UNDO
    ),
    "rolled_back-by-best-effort": make_scenario(
        prepare=BEST_EFFORT_ANSWER, apply=SECOND_STEP_REFUSED, undo=[UNDO_FAILED, UNDONE, UNDONE]
    ),
    "failed": make_scenario(prepare=NotFound("no such plan")),
    "failed-refused": make_scenario(apply=Rejected("422: no such policy"), undo=NOTHING_TO_UNDO),
    "stale": make_scenario(apply=Stale("412: generation 8, not 7"), undo=NOTHING_TO_UNDO),
    "stale-prepared": make_scenario(prepare=make_prepare_result(outcome="stale")),
    "rolled_back-after-reset": make_scenario(prepare=LEFTOVER_ANSWER.model_copy(update={"outcome": "stale"})),
    "stale-after-approval": make_decided_scenario(
        APPROVED, prepare=[WAITING_ANSWERS[0], make_prepare_result(outcome="stale")]
    ),
    "rejected": make_decided_scenario(REJECTED),
    "fixed-approved": make_decided_scenario(APPROVED),
    "expired": make_scenario(prepare=make_prepare_result(needs_approval=True, deadline=COOL_DOWN_SECONDS)),
    "superseded": make_yielded_scenario("superseded"),
    "recovered": make_yielded_scenario("recovered"),
    "quarantined": run_until_quarantined,
    "released": run_until_released,
    "leftover": make_scenario(is_leftover=True, prepare=LEFTOVER_ANSWER),
    "leftover-nothing-stands": make_scenario(is_leftover=True, prepare=make_prepare_result()),
}

STOP_SCENARIOS: dict[str, Scenario] = {
    "stopped-settling": make_cancelled_after("timer", settle=60.0),
    "stopped-preparing": make_cancelled_in_activity("prepare", make_prepare_result()),
    "stopped-awaiting-approval": make_cancelled_after("phase awaiting-approval", prepare=WAITING_ANSWERS),
    "stopped-applying": make_cancelled_in_activity("apply", make_apply_result),
    "failed-while-stopped": make_cancelled_in_activity("apply", Rejected("422: no such policy"), undo=NOTHING_TO_UNDO),
    "stopped-between-steps": make_cancelled_in_activity(
        "apply", make_apply_result, prepare=make_prepare_result(steps=2)
    ),
    "stopped-verifying": make_cancelled_in_activity("verify", make_verify_answer(Verdict.FIXED)),
    "stopped-rolling-back": make_cancelled_in_activity(
        "undo", UNDONE, prepare=make_prepare_result(steps=2), verify=MADE_WORSE
    ),
    "stopped-verifying-rollback": run_cancelled_in_rollback_check,
    "stopped-recording": make_cancelled_in_activity("record", make_record_answer(cool_down=60.0)),
    "stopped-cooling-down": make_cancelled_after("phase cooling-down", record=make_record_answer(cool_down=60.0)),
    "stopped-leftover": make_cancelled_in_activity("prepare", LEFTOVER_ANSWER, is_leftover=True),
}

OPEN_SCENARIOS: dict[str, Scenario] = {
    "open-awaiting-approval": make_open_scenario("awaiting-approval", prepare=WAITING_ANSWERS),
    "open-verifying": run_until_verifying,
    "open-cooling-down": make_open_scenario("cooling-down", record=make_record_answer(cool_down=600.0)),
}

REMEDIATION_SCENARIOS = OUTCOME_SCENARIOS | STOP_SCENARIOS | OPEN_SCENARIOS
