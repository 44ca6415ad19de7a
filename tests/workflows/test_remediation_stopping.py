"""A cancellation at each point of a remediation: steps in flight end, applied steps are undone, nothing is lost."""

from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.model.errors import KillSwitchActive
from activities.model.outcome import Verdict
from tests.workflows.activity_results import (
    MADE_WORSE,
    NOTHING_TO_UNDO,
    UNDONE,
    make_apply_result,
    make_prepare_result,
    make_record_answer,
    make_verify_answer,
)
from tests.workflows.history_summary import list_scheduled_activities, summarize_history
from tests.workflows.remediation_scenarios import STOP_SCENARIOS
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.workflow_env import WorkflowTestEnv
from workflows import search_attributes

ROLLBACK_STORY = "phase rolling-back, undo 0, undo 0 done, verify rollback, verify rollback done"
STOP_CASES = [
    ("stopped-settling", "stopped", "timer, cancel, timer cancelled, record, record done"),
    (
        "stopped-awaiting-approval",
        "stopped",
        "prepare, prepare done, phase awaiting-approval, timer, cancel, timer cancelled, record, record done",
    ),
    (
        "stopped-applying",
        "stopped",
        f"prepare, prepare done, apply 0, cancel, apply 0 done, {ROLLBACK_STORY}, record, record done",
    ),
    (
        "failed-while-stopped",
        "failed",
        "prepare, prepare done, apply 0, cancel, apply 0 failed, phase rolling-back, undo 0, undo 0 done,"
        " record, record done",
    ),
    (
        "stopped-between-steps",
        "stopped",
        f"prepare, prepare done, apply 0, cancel, apply 0 done, {ROLLBACK_STORY}, record, record done",
    ),
    (
        "stopped-rolling-back",
        "rolled_back",
        "prepare, prepare done, apply 0, apply 0 done, apply 1, apply 1 done, phase verifying, verify, verify done,"
        " phase rolling-back, undo 1, cancel, undo 1 done, undo 0, undo 0 done, verify rollback, verify rollback done,"
        " record, record done",
    ),
    (
        "stopped-verifying-rollback",
        "rolled_back",
        "prepare, prepare done, apply 0, apply 0 done, phase verifying, verify, verify done, phase rolling-back,"
        " undo 0, undo 0 done, verify rollback, cancel, verify rollback done, record, record done",
    ),
    (
        "stopped-recording",
        "fixed",
        "prepare, prepare done, apply 0, apply 0 done, phase verifying, verify, verify done, record, cancel,"
        " record done",
    ),
    (
        "stopped-cooling-down",
        "fixed",
        "prepare, prepare done, apply 0, apply 0 done, phase verifying, verify, verify done, record, record done,"
        " outcome fixed, phase cooling-down, timer, cancel, timer cancelled",
    ),
    (
        "stopped-leftover",
        "stopped",
        "prepare leftover, cancel, prepare leftover done, phase rolling-back, undo 2, undo 2 done, undo 0,"
        " undo 0 done, verify rollback, verify rollback done, record, record done",
    ),
]


@pytest.mark.parametrize(("name", "outcome", "expected_events"), STOP_CASES, ids=[row[0] for row in STOP_CASES])
async def test_events_of_a_cancellation(
    workflow_env: WorkflowTestEnv, name: str, outcome: str, expected_events: str
) -> None:
    """A cancellation lets the step in flight end, undoes in reverse, records once and ends in order."""
    run = await STOP_SCENARIOS[name](workflow_env)
    events = ", ".join(await run.summarize_history())
    assert events == f"{expected_events}, outcome {outcome}, phase done, completed"
    assert (await run.fetch_result()).outcome == outcome
    assert len(run.script.requests_of("record")) == 1
    assert await run.fetch_attribute(search_attributes.OUTCOME) == outcome


ABANDONED_CASES = [
    ("stopped-preparing", "prepare", "record"),
    ("stopped-verifying", "prepare, apply 0, verify", "undo 0, verify rollback, record"),
]


@pytest.mark.parametrize(("name", "before", "after"), ABANDONED_CASES, ids=[row[0] for row in ABANDONED_CASES])
async def test_a_reading_step_is_abandoned(workflow_env: WorkflowTestEnv, name: str, before: str, after: str) -> None:
    """A step that changes nothing is not waited for. Applied steps are undone."""
    run = await STOP_SCENARIOS[name](workflow_env)
    history = await run.fetch_history()
    assert ", ".join(list_scheduled_activities(history)) == f"{before}, {after}"
    expected_events = summarize_history(history)
    assert (
        expected_events.index(before.split(", ")[-1])
        < expected_events.index("cancel")
        < expected_events.index(after.split(", ")[0])
    )
    assert (await run.fetch_result()).outcome == "stopped"


def test_every_stop_scenario_is_tested() -> None:
    """Every scenario of a cancellation has an assertion."""
    assert {row[0] for row in STOP_CASES} | {row[0] for row in ABANDONED_CASES} == set(STOP_SCENARIOS)


async def test_a_second_cancellation_changes_nothing(workflow_env: WorkflowTestEnv) -> None:
    """A second cancellation during the rollback does not stop it."""
    apply, undo = HeldAnswer(make_apply_result), HeldAnswer(UNDONE)
    run = await workflow_env.start_remediation(apply=apply, undo=undo)
    await apply.wait_for_arrival()
    await run.cancel_and_wait()
    apply.opened.set()
    await undo.wait_for_arrival()
    await run.handle.cancel()
    undo.opened.set()
    assert (await run.fetch_result()).rolled_back == ("step 0",)
    assert list_scheduled_activities(await run.fetch_history()) == [
        "prepare",
        "apply 0",
        "undo 0",
        "verify rollback",
        "record",
    ]


async def test_cancelled_in_its_first_task(workflow_env: WorkflowTestEnv) -> None:
    """A remediation that is cancelled in its first task applies nothing and records that it was stopped."""
    async with workflow_env.workers.paused_workflows():
        run = await workflow_env.start_remediation()
        await run.handle.cancel()
    assert (await run.fetch_result()).outcome == "stopped"
    assert [request.outcome for request in run.script.requests_of("record")] == ["stopped"]
    assert run.script.requests_of("apply") == []


SAME_TASK_CASES = [
    ("prepare", make_prepare_result(), {}, "stopped", "prepare, record"),
    ("apply 0", make_apply_result, {}, "stopped", "prepare, apply 0, undo 0, verify rollback, record"),
    (
        "apply 0",
        make_apply_result,
        {"prepare": make_prepare_result(steps=2)},
        "stopped",
        "prepare, apply 0, undo 0, verify rollback, record",
    ),
    (
        "verify",
        make_verify_answer(Verdict.FIXED),
        {},
        "stopped",
        "prepare, apply 0, verify, undo 0, verify rollback, record",
    ),
    (
        "undo 0",
        UNDONE,
        {"verify": MADE_WORSE},
        "rolled_back",
        "prepare, apply 0, verify, undo 0, verify rollback, record",
    ),
    ("record", make_record_answer(cool_down=60.0), {}, "fixed", "prepare, apply 0, verify, record"),
]


@pytest.mark.parametrize(("call", "answer", "others", "outcome", "order"), SAME_TASK_CASES)
@pytest.mark.parametrize("cancel_first", [True, False], ids=["cancel-first", "completion-first"])
async def test_cancelled_as_the_step_ends(
    workflow_env: WorkflowTestEnv,
    cancel_first: bool,
    call: str,
    answer: Any,
    others: dict[str, Any],
    outcome: str,
    order: str,
) -> None:
    """Cancellation and completion arrive in one task: neither is lost, in either order."""
    gate = HeldAnswer(answer)
    run = await workflow_env.start_remediation(**(others | {call.split()[0]: [gate, answer]}))
    await gate.wait_for_arrival()
    async with workflow_env.workers.paused_workflows():
        if cancel_first:
            await run.handle.cancel()
        gate.opened.set()
        await run.wait_until_recorded(f"{call} done")
        if not cancel_first:
            await run.handle.cancel()
    assert (await run.fetch_result()).outcome == outcome
    assert ", ".join(list_scheduled_activities(await run.fetch_history())) == order
    description = await run.handle.describe()
    assert description.status is WorkflowExecutionStatus.COMPLETED


@pytest.mark.parametrize(
    ("steps", "apply", "undo", "order"),
    [
        (1, KillSwitchActive("kill switch: /k"), NOTHING_TO_UNDO, "prepare, apply 0, undo 0, record"),
        (
            2,
            [make_apply_result, KillSwitchActive("kill switch: /k")],
            UNDONE,
            "prepare, apply 0, apply 1, undo 1, undo 0, verify rollback, record",
        ),
    ],
)
async def test_the_kill_switch_stops_between_steps(
    workflow_env: WorkflowTestEnv, steps: int, apply: Any, undo: Any, order: str
) -> None:
    """A forbidden step is not applied, the applied steps are undone, and the outcome is `stopped`."""
    run = await workflow_env.start_remediation(prepare=make_prepare_result(steps=steps), apply=apply, undo=undo)
    result = await run.fetch_result()
    assert result.outcome == "stopped"
    assert "kill switch: /k" in result.headline
    assert list_scheduled_activities(await run.fetch_history()) == order.split(", ")
