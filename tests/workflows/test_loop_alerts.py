"""Alerts at the intake of a loop: one cycle for many, none twice, none lost, also across continue-as-new."""

import asyncio
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus

from activities.model import identifiers
from activities.model.alert import Alert, AlertBatch
from activities.model.alert_state import AlertState
from activities.model.cycle import CycleResult
from activities.model.loop_state import LoopState, ManualCycleRequest
from tests.support.waiting import wait_until
from tests.workflows.history_summary import summarize_history
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv
from workflows import search_attributes
from workflows.loop import MapekLoop


def make_batch(*numbers: int, debounce: float = 0.0, **changes: Any) -> AlertBatch:
    """Return alerts with these numbers, the same ones for the same numbers."""
    whole = {"firing": True, "starts_at": 1.0, "name": "Slow", "severity": "warning", "component": "gateway"} | changes
    alerts = tuple(Alert(fingerprint=f"{number:016x}", **whole) for number in numbers)
    return AlertBatch(alerts=alerts, debounce=debounce)


async def start_loop_workflow(stage: WorkflowTestEnv) -> tuple[str, ScriptedRun]:
    """Return the name of a fresh loop and its running intake."""
    loop = stage.unique_name("loop")
    return loop, await stage.start_workflow(MapekLoop.run, LoopState(loop=loop), identifiers.loop_workflow_id(loop), {})


async def query_alert_state(run: ScriptedRun) -> AlertState:
    """Return what the intake knows of alerts."""
    state: AlertState = await run.handle.query("known_alerts", result_type=AlertState)
    return state


async def list_recent_cycles(run: ScriptedRun) -> tuple[str, ...]:
    """Return the ids of the last cycles."""
    state: LoopState = await run.handle.query("status", result_type=LoopState)
    return state.recent


async def test_an_alert_starts_a_cycle(workflow_env: WorkflowTestEnv) -> None:
    """It is found by its trigger, says what for, and looks by itself."""
    loop, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", make_batch(1))
    await run.wait_until_handled("child started")
    (cycle,) = await list_recent_cycles(run)
    assert cycle.startswith(identifiers.cycle_id(loop, "alert", "20"))
    started = workflow_env.expect_child(cycle, CycleResult)
    assert (await started.fetch_result()).outcome == "healthy"
    assert await started.fetch_attribute(search_attributes.TRIGGER) == "alert"
    asked = (await started.fetch_history()).events[0].workflow_execution_started_event_attributes.input.payloads[0].data
    assert b'"reason":"1 alert: warning Slow on gateway"' in asked


async def test_a_repeat_starts_nothing(workflow_env: WorkflowTestEnv) -> None:
    """The same alert again, an old one, and a resolved one change nothing but the counts."""
    _, run = await start_loop_workflow(workflow_env)
    for one in (make_batch(1), make_batch(1), make_batch(1, starts_at=0.5), make_batch(1, firing=False), make_batch(1)):
        await run.handle.signal("alerts", one)
    book = await query_alert_state(run)
    assert (book.cycles, book.received, book.duplicates) == (1, 5, 3)


async def test_firing_anew_starts_another(workflow_env: WorkflowTestEnv) -> None:
    """A relapse has a later start, and is looked at."""
    _, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", make_batch(1))
    # All in one workflow task would share one cycle.
    await run.wait_for_history(lambda history: summarize_history(history).count("child started") == 1)
    for one in (make_batch(1, firing=False), make_batch(1, starts_at=2.0)):
        await run.handle.signal("alerts", one)
    await run.wait_for_history(lambda history: summarize_history(history).count("child started") == 2)


async def test_a_storm_is_two_cycles(workflow_env: WorkflowTestEnv) -> None:
    """The first alert starts one at once, all that follow within the debounce share the next."""
    _, run = await start_loop_workflow(workflow_env)
    for start in range(0, 500, 50):
        await run.handle.signal("alerts", make_batch(*range(start, start + 50), debounce=1.5))
    await run.wait_for_history(lambda history: summarize_history(history).count("child started") == 2)
    book = await query_alert_state(run)
    assert (book.cycles, book.pending, len(book.last_states)) == (2, 0, 500)
    assert len(set(await list_recent_cycles(run))) == 2


async def test_a_wish_does_not_wait_for_alerts(workflow_env: WorkflowTestEnv) -> None:
    """While alerts wait for the debounce, a cycle somebody asks for starts at once."""
    loop, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", make_batch(1, debounce=60))
    await run.wait_until_handled("child started")
    await run.handle.signal("alerts", make_batch(2, debounce=60))
    asked = await run.handle.execute_update("request_cycle", ManualCycleRequest(key="now"), result_type=str)
    assert asked == identifiers.cycle_id(loop, "manual", "now")
    assert (await query_alert_state(run)).pending == 1


async def test_nothing_is_lost_or_doubled_across_continue_as_new(
    workflow_env: WorkflowTestEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many signals from several senders over several runs: each alert is known once, each cycle is another one."""
    monkeypatch.setattr("workflows.loop.MAX_REQUESTS_PER_RUN", 8)
    loop, run = await start_loop_workflow(workflow_env)

    async def sender(number: int) -> None:
        for step in range(10):
            await run.handle.signal("alerts", make_batch(*range(100 * step, 100 * step + 10), number, debounce=0.2))
            await asyncio.sleep(0.05)

    await asyncio.gather(*(sender(10_000 + number) for number in range(4)))

    async def settled() -> bool:
        return (await query_alert_state(run)).pending == 0

    await wait_until("the last cycle for alerts", settled, 15)
    book = await query_alert_state(run)
    assert (book.received, len(book.last_states)) == (440, 104)
    runs = [one async for one in workflow_env.client.list_workflows(f'WorkflowId="{run.handle.id}"')]
    assert sum(one.status is WorkflowExecutionStatus.CONTINUED_AS_NEW for one in runs) >= 2
    query = f'WorkflowType="MapekCycle" AND MapekLoop="{loop}"'
    started = [one.id async for one in workflow_env.client.list_workflows(query)]
    assert len(started) == len(set(started)) == book.cycles


async def test_waiting_alerts_survive_continue_as_new(
    workflow_env: WorkflowTestEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that gets long while alerts wait for the debounce leaves them to the next, which starts their cycle."""
    monkeypatch.setattr("workflows.loop.MAX_REQUESTS_PER_RUN", 3)
    _, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", make_batch(0, debounce=1.5))
    await run.wait_until_handled("child started")
    for number in (1, 2):
        await run.handle.signal("alerts", make_batch(number, debounce=1.5))
    first = workflow_env.client.get_workflow_handle(run.handle.id, run_id=run.handle.first_execution_run_id)
    await ScriptedRun(first, run.script).wait_until_handled("continued as new")
    await run.wait_until_handled("child started")
    book = await query_alert_state(run)
    assert (book.cycles, book.pending, len(book.last_states)) == (2, 0, 3)


async def test_garbage_is_dropped(workflow_env: WorkflowTestEnv) -> None:
    """A signal that cannot be read changes nothing, and the next one is served."""
    _, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", {"alerts": [{"fingerprint": 5}]})
    await run.handle.signal("alerts", make_batch(1))
    await run.wait_until_handled("child started")
    assert (await query_alert_state(run)).received == 1
