"""The intake of a loop: one cycle per request key, also across continue-as-new."""

import asyncio

import pytest
from temporalio.client import WorkflowUpdateFailedError

from activities.model import identifiers
from activities.model.cycle import CycleResult
from activities.model.loop_state import LoopState, ManualCycleRequest
from tests.workflows import activity_results
from tests.workflows.history_summary import summarize_history
from tests.workflows.loop_scenarios import RUNBOOK_LINK, start_loop_workflow
from tests.workflows.scripted_worker import HeldAnswer
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv
from workflows import search_attributes


async def wait_for_cycle(env: WorkflowTestEnv, workflow_id: str) -> ScriptedRun:
    """Return a cycle that has ended."""
    run = env.expect_child(workflow_id, CycleResult)
    assert (await run.fetch_result()).outcome == "healthy"
    return run


async def query_status(run: ScriptedRun) -> LoopState:
    """Return the status of the loop workflow."""
    state: LoopState = await run.handle.query("status", result_type=LoopState)
    return state


async def test_a_signal_without_argument_starts_a_cycle(workflow_env: WorkflowTestEnv) -> None:
    """`run_cycle` without an argument runs one cycle, with its trigger, and the status names it."""
    loop, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("run_cycle")
    await run.wait_until_handled("child started")
    status = await query_status(run)
    assert (status.loop, status.request_count, len(status.recent)) == (loop, 1, 1)
    cycle = await wait_for_cycle(workflow_env, status.recent[0])
    assert (
        await cycle.fetch_attribute(search_attributes.LOOP),
        await cycle.fetch_attribute(search_attributes.TRIGGER),
    ) == (loop, "manual")


async def test_key_and_reason_of_a_signal_reach_the_cycle(workflow_env: WorkflowTestEnv) -> None:
    """The key is part of the cycle's id, and the reason is in its input."""
    loop, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("run_cycle", {"key": "deploy-42", "reason": "after the deploy"})
    await run.wait_until_handled("child started")
    cycle = await wait_for_cycle(workflow_env, identifiers.cycle_id(loop, "manual", "deploy-42"))
    started = (await cycle.fetch_history()).events[0].workflow_execution_started_event_attributes
    assert b'"reason":"after the deploy"' in started.input.payloads[0].data


async def test_the_same_key_is_the_same_cycle(workflow_env: WorkflowTestEnv) -> None:
    """A used key starts nothing, by signal or update, during its cycle or after it."""
    loop, run = await start_loop_workflow(workflow_env)
    expected = identifiers.cycle_id(loop, "manual", "once")
    first = await run.handle.execute_update("request_cycle", ManualCycleRequest(key="once"), result_type=str)
    await wait_for_cycle(workflow_env, first)
    again = await run.handle.execute_update("request_cycle", ManualCycleRequest(key="once"), result_type=str)
    await run.handle.signal("run_cycle", {"key": "once"})
    await run.wait_for_history(lambda history: summarize_history(history).count("child refused") == 2)
    assert (first, again) == (expected, expected)
    assert (await run.summarize_history()).count("child started") == 1


async def test_one_update_id_is_one_request(workflow_env: WorkflowTestEnv) -> None:
    """A request that is repeated with its update id returns the same cycle and starts no other."""
    _, run = await start_loop_workflow(workflow_env)
    ids = [
        await run.handle.execute_update("request_cycle", ManualCycleRequest(), id="lost-reply", result_type=str)
        for _ in range(2)
    ]
    assert ids[0] == ids[1]
    assert (await query_status(run)).request_count == 1


@pytest.mark.parametrize("key", ["Upper", "a/b", "x" * 101, " "], ids=["upper", "slash", "long", "blank"])
async def test_an_invalid_key_is_refused_or_replaced(workflow_env: WorkflowTestEnv, key: str) -> None:
    """A key that cannot be part of an id is refused by the update and replaced by the signal."""
    loop, run = await start_loop_workflow(workflow_env)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await run.handle.execute_update("request_cycle", ManualCycleRequest(key=key))
    assert "use at most 100 characters" in str(refused.value.cause)
    await run.handle.signal("run_cycle", {"key": key})
    await run.wait_until_handled("child started")
    (cycle,) = (await query_status(run)).recent
    assert cycle.startswith(identifiers.cycle_id(loop, "manual", "20"))


async def test_an_invalid_signal_is_dropped(workflow_env: WorkflowTestEnv) -> None:
    """A signal that cannot be read starts nothing, and the next one is served."""
    _, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("run_cycle", {"key": ["no", "name"]})
    await run.handle.signal("run_cycle", {"key": "good"})
    await run.wait_until_handled("child started")
    assert (await query_status(run)).request_count == 1


async def test_a_long_reason_is_truncated(workflow_env: WorkflowTestEnv) -> None:
    """A long reason in wide characters is truncated to the limit of the server, which would refuse it."""
    loop, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("run_cycle", {"key": "wide", "reason": "監視" * 200})
    await run.wait_until_handled("child started")
    await wait_for_cycle(workflow_env, identifiers.cycle_id(loop, "manual", "wide"))


async def test_continued_as_new_loses_nothing(workflow_env: WorkflowTestEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals and updates around a continue-as-new all start cycles, and the state is carried over."""
    monkeypatch.setattr("workflows.loop.MAX_REQUESTS_PER_RUN", 3)
    loop, run = await start_loop_workflow(workflow_env)
    signals = [run.handle.signal("run_cycle", ManualCycleRequest(key=f"signal-{number}")) for number in range(5)]
    updates = [
        run.handle.execute_update("request_cycle", ManualCycleRequest(key=f"update-{number}"), result_type=str)
        for number in range(5)
    ]
    replies = await asyncio.gather(*signals, *updates)
    assert replies[5:] == [identifiers.cycle_id(loop, "manual", f"update-{number}") for number in range(5)]
    for kind in ("signal", "update"):
        for number in range(5):
            await wait_for_cycle(workflow_env, identifiers.cycle_id(loop, "manual", f"{kind}-{number}"))
    status = await query_status(run)
    assert (status.request_count, len(set(status.recent)), status.links) == (10, 10, RUNBOOK_LINK)
    first = workflow_env.client.get_workflow_handle(run.handle.id, run_id=run.handle.first_execution_run_id)
    assert "continued as new" in await ScriptedRun(first, run.script).summarize_history()


async def test_a_cycle_survives_its_intake(workflow_env: WorkflowTestEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cycle that runs while the intake continues as new reaches its own end."""
    monkeypatch.setattr("workflows.loop.MAX_REQUESTS_PER_RUN", 1)
    loop, run = await start_loop_workflow(workflow_env)
    gate = HeldAnswer(activity_results.make_healthy_observation())
    workflow_env.set_script(identifiers.cycle_id(loop, "manual", "slow"), {"monitor": gate})
    cycle = await run.handle.execute_update("request_cycle", ManualCycleRequest(key="slow"), result_type=str)
    await gate.wait_for_arrival()
    first = workflow_env.client.get_workflow_handle(run.handle.id, run_id=run.handle.first_execution_run_id)
    await ScriptedRun(first, run.script).wait_until_recorded("continued as new")
    gate.opened.set()
    await wait_for_cycle(workflow_env, cycle)


async def test_the_status_stays_small(workflow_env: WorkflowTestEnv) -> None:
    """Of many cycles the last ten are named, newest last."""
    loop, run = await start_loop_workflow(workflow_env)
    for number in range(12):
        await run.handle.execute_update("request_cycle", ManualCycleRequest(key=f"n{number}"), result_type=str)
    status = await query_status(run)
    assert status.recent == tuple(identifiers.cycle_id(loop, "manual", f"n{number}") for number in range(2, 12))
