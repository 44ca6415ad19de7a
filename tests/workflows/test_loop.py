"""The intake of a loop: every wish becomes one cycle, once per key, also across continue-as-new."""

import asyncio

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.model.cycle import CycleResult
from activities.model.intake import Ask, LoopState
from tests.workflows import activity_results
from tests.workflows.history_summary import story_of
from tests.workflows.loop_scenarios import LINKS, intake
from tests.workflows.scripted_worker import Gate
from tests.workflows.workflow_env import Run, Stage
from workflows import names


async def cycle_of(stage: Stage, workflow_id: str) -> Run:
    """Return a cycle that has ended."""
    run = stage.child(workflow_id, CycleResult)
    assert (await run.result()).outcome == "healthy"
    return run


async def status(run: Run) -> LoopState:
    """Return what the intake says of itself."""
    return await run.handle.query("status", result_type=LoopState)


async def test_a_signal_with_nothing(stage):
    """`run_cycle` without an argument runs one cycle, found by its trigger, and the status names it."""
    loop, run = await intake(stage)
    await run.handle.signal("run_cycle")
    await run.until("child started")
    told = await status(run)
    assert (told.loop, told.asked, len(told.recent)) == (loop, 1, 1)
    cycle = await cycle_of(stage, told.recent[0])
    assert (await cycle.attribute(names.LOOP), await cycle.attribute(names.TRIGGER)) == (loop, "manual")


async def test_a_signal_with_key_and_reason(stage):
    """The key is part of the cycle's id, and the reason is in its input."""
    loop, run = await intake(stage)
    await run.handle.signal("run_cycle", {"key": "deploy-42", "reason": "after the deploy"})
    await run.until("child started")
    cycle = await cycle_of(stage, names.cycle_id(loop, "manual", "deploy-42"))
    started = (await cycle.history()).events[0].workflow_execution_started_event_attributes
    assert b'"reason":"after the deploy"' in started.input.payloads[0].data


async def test_the_same_key_is_the_same_cycle(stage):
    """A key that was used starts nothing, by signal or update, while its cycle runs or after it."""
    loop, run = await intake(stage)
    expected = names.cycle_id(loop, "manual", "once")
    first = await run.handle.execute_update("request_cycle", Ask(key="once"), result_type=str)
    await cycle_of(stage, first)
    again = await run.handle.execute_update("request_cycle", Ask(key="once"), result_type=str)
    await run.handle.signal("run_cycle", {"key": "once"})
    await run.watch(lambda history: story_of(history).count("child refused") == 2)
    assert (first, again) == (expected, expected)
    assert (await run.story()).count("child started") == 1


async def test_one_update_id_is_one_request(stage):
    """A request repeated under its update id, as after a lost reply, returns the same cycle and asks for no other."""
    _, run = await intake(stage)
    ids = [await run.handle.execute_update("request_cycle", Ask(), id="lost-reply", result_type=str) for _ in range(2)]
    assert ids[0] == ids[1]
    assert (await status(run)).asked == 1


@pytest.mark.parametrize("key", ["Upper", "a/b", "x" * 101, " "], ids=["upper", "slash", "long", "blank"])
async def test_a_bad_key(stage, key):
    """A key that cannot be part of an id is refused where somebody hears it, and replaced where nobody does."""
    loop, run = await intake(stage)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.handle.execute_update("request_cycle", Ask(key=key))
    assert "a key is at most 100 characters" in str(refused.value.cause)
    await run.handle.signal("run_cycle", {"key": key})
    await run.until("child started")
    (cycle,) = (await status(run)).recent
    assert cycle.startswith(names.cycle_id(loop, "manual", "20"))


async def test_garbage_is_dropped(stage):
    """A signal that cannot be read starts nothing, and the intake serves the next one."""
    _, run = await intake(stage)
    await run.handle.signal("run_cycle", {"key": ["no", "name"]})
    await run.handle.signal("run_cycle", {"key": "good"})
    await run.until("child started")
    assert (await status(run)).asked == 1


async def test_a_reason_of_many_bytes(stage):
    """A long reason in wide characters is cut to what the server takes, not refused by it task after task."""
    loop, run = await intake(stage)
    await run.handle.signal("run_cycle", {"key": "wide", "reason": "監視" * 200})
    await run.until("child started")
    await cycle_of(stage, names.cycle_id(loop, "manual", "wide"))


async def test_continued_as_new_loses_nothing(stage, monkeypatch):
    """Signals and updates that arrive around a continue-as-new all become cycles, and the state is carried over."""
    monkeypatch.setattr("workflows.loop.ASKED_PER_RUN", 3)
    loop, run = await intake(stage)
    signals = [run.handle.signal("run_cycle", Ask(key=f"signal-{number}")) for number in range(5)]
    updates = [
        run.handle.execute_update("request_cycle", Ask(key=f"update-{number}"), result_type=str) for number in range(5)
    ]
    replies = await asyncio.gather(*signals, *updates)
    assert replies[5:] == [names.cycle_id(loop, "manual", f"update-{number}") for number in range(5)]
    for kind in ("signal", "update"):
        for number in range(5):
            await cycle_of(stage, names.cycle_id(loop, "manual", f"{kind}-{number}"))
    told = await status(run)
    assert (told.asked, len(set(told.recent)), told.links) == (10, 10, LINKS)
    first = stage.client.get_workflow_handle(run.handle.id, run_id=run.handle.first_execution_run_id)
    assert "continued as new" in await Run(first, run.script).story()


async def test_a_cycle_survives_its_intake(stage, monkeypatch):
    """A cycle that runs while the intake continues as new goes on to its own end."""
    monkeypatch.setattr("workflows.loop.ASKED_PER_RUN", 1)
    loop, run = await intake(stage)
    gate = Gate(activity_results.healthy())
    stage.lay_out(names.cycle_id(loop, "manual", "slow"), {"monitor": gate})
    cycle = await run.handle.execute_update("request_cycle", Ask(key="slow"), result_type=str)
    await gate.arrived()
    first = stage.client.get_workflow_handle(run.handle.id, run_id=run.handle.first_execution_run_id)
    await Run(first, run.script).told("continued as new")
    gate.opened.set()
    await cycle_of(stage, cycle)


async def test_the_status_stays_small(stage):
    """Of many cycles the last ten are named, newest last."""
    loop, run = await intake(stage)
    for number in range(12):
        await run.handle.execute_update("request_cycle", Ask(key=f"n{number}"), result_type=str)
    told = await status(run)
    assert told.recent == tuple(names.cycle_id(loop, "manual", f"n{number}") for number in range(2, 12))
