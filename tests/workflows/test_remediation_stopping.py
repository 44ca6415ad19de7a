"""A cancellation at each point of a remediation: what is in flight settles, what stands is undone, nothing is lost."""

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.model.errors import Forbidden
from activities.model.outcome import Verdict
from tests.workflows.activity_results import (
    MADE_WORSE,
    NOTHING_TO_UNDO,
    UNDONE,
    applied,
    prepared,
    recorded,
    verified,
)
from tests.workflows.history_summary import order_of, story_of
from tests.workflows.remediation_scenarios import STOPS
from tests.workflows.scripted_worker import Gate
from workflows import names

UNDOING = "phase rolling-back, undo 0, undo 0 done, verify rollback, verify rollback done"
TABLE = [
    ("stopped-settling", "stopped", "timer, cancel, timer cancelled, record, record done"),
    (
        "stopped-awaiting-approval",
        "stopped",
        "prepare, prepare done, phase awaiting-approval, timer, cancel, timer cancelled, record, record done",
    ),
    (
        "stopped-applying",
        "stopped",
        f"prepare, prepare done, apply 0, cancel, apply 0 done, {UNDOING}, record, record done",
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
        f"prepare, prepare done, apply 0, cancel, apply 0 done, {UNDOING}, record, record done",
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


@pytest.mark.parametrize(("name", "outcome", "story"), TABLE, ids=[row[0] for row in TABLE])
async def test_stopped(stage, name, outcome, story):
    """A cancellation lets the step in flight settle, then undoes in reverse, records once and ends in order."""
    run = await STOPS[name](stage)
    told = ", ".join(await run.story())
    assert told == f"{story}, outcome {outcome}, phase done, completed"
    assert (await run.result()).outcome == outcome
    assert len(run.script.requests("record")) == 1
    assert await run.attribute(names.OUTCOME) == outcome


GIVEN_UP = [
    ("stopped-preparing", "prepare", "record"),
    ("stopped-verifying", "prepare, apply 0, verify", "undo 0, verify rollback, record"),
]


@pytest.mark.parametrize(("name", "before", "after"), GIVEN_UP, ids=[row[0] for row in GIVEN_UP])
async def test_what_only_looks_is_given_up(stage, name, before, after):
    """A step that changes nothing is not waited for: it may end whenever it likes. What was applied is undone."""
    run = await STOPS[name](stage)
    history = await run.history()
    assert ", ".join(order_of(history)) == f"{before}, {after}"
    story = story_of(history)
    assert story.index(before.split(", ")[-1]) < story.index("cancel") < story.index(after.split(", ")[0])
    assert (await run.result()).outcome == "stopped"


def test_every_stop_is_in_a_test():
    """No scene of a cancellation goes unasserted."""
    assert {row[0] for row in TABLE} | {row[0] for row in GIVEN_UP} == set(STOPS)


async def test_a_second_request_changes_nothing(stage):
    """Cancelling once more, while the rollback runs, neither stops the rollback nor ends it half way."""
    apply, undo = Gate(applied), Gate(UNDONE)
    run = await stage.remediate(apply=apply, undo=undo)
    await apply.arrived()
    await run.cancel()
    apply.opened.set()
    await undo.arrived()
    await run.handle.cancel()
    undo.opened.set()
    assert (await run.result()).rolled_back == ("step 0",)
    assert order_of(await run.history()) == ["prepare", "apply 0", "undo 0", "verify rollback", "record"]


async def test_cancelled_before_it_could_begin(stage):
    """A remediation whose first task brings the cancellation too applies nothing and records that it was stopped."""
    async with stage.workers.asleep():
        run = await stage.remediate()
        await run.handle.cancel()
    assert (await run.result()).outcome == "stopped"
    assert [request.ending for request in run.script.requests("record")] == ["stopped"]
    assert run.script.requests("apply") == []


SAME_TASK = [
    ("prepare", prepared(), {}, "stopped", "prepare, record"),
    ("apply 0", applied, {}, "stopped", "prepare, apply 0, undo 0, verify rollback, record"),
    (
        "apply 0",
        applied,
        {"prepare": prepared(steps=2)},
        "stopped",
        "prepare, apply 0, undo 0, verify rollback, record",
    ),
    (
        "verify",
        verified(Verdict.FIXED),
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
    ("record", recorded(cool_down=60.0), {}, "fixed", "prepare, apply 0, verify, record"),
]


@pytest.mark.parametrize(("call", "answer", "others", "outcome", "order"), SAME_TASK)
@pytest.mark.parametrize("cancel_first", [True, False], ids=["cancel-first", "completion-first"])
async def test_cancelled_as_the_step_ends(stage, cancel_first, call, answer, others, outcome, order):
    """Cancellation and completion reach the workflow in one task: neither swallows the other, whichever came first."""
    gate = Gate(answer)
    run = await stage.remediate(**others, **{call.split()[0]: [gate, answer]})
    await gate.arrived()
    async with stage.workers.asleep():
        if cancel_first:
            await run.handle.cancel()
        gate.opened.set()
        await run.told(f"{call} done")
        if not cancel_first:
            await run.handle.cancel()
    assert (await run.result()).outcome == outcome
    assert ", ".join(order_of(await run.history())) == order
    description = await run.handle.describe()
    assert description.status is WorkflowExecutionStatus.COMPLETED


@pytest.mark.parametrize(
    ("steps", "apply", "undo", "order"),
    [
        (1, Forbidden("kill switch: /k"), NOTHING_TO_UNDO, "prepare, apply 0, undo 0, record"),
        (
            2,
            [applied, Forbidden("kill switch: /k")],
            UNDONE,
            "prepare, apply 0, apply 1, undo 1, undo 0, verify rollback, record",
        ),
    ],
)
async def test_the_kill_switch_stops_between_steps(stage, steps, apply, undo, order):
    """A step the switch forbids is not done, what stands of the plan is undone, and the ending is `stopped`."""
    run = await stage.remediate(prepare=prepared(steps=steps), apply=apply, undo=undo)
    result = await run.result()
    assert result.outcome == "stopped"
    assert "kill switch: /k" in result.headline
    assert order_of(await run.history()) == order.split(", ")
