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
    """Return alerts with these numbers; equal numbers give equal alerts."""
    fields = {"firing": True, "starts_at": 1.0, "name": "Slow", "severity": "warning", "component": "gateway"} | changes
    alerts = tuple(Alert(fingerprint=f"{number:016x}", **fields) for number in numbers)
    return AlertBatch(alerts=alerts, debounce=debounce)


async def start_loop_workflow(env: WorkflowTestEnv) -> tuple[str, ScriptedRun]:
    """Return the name of a new loop and its running workflow."""
    loop = env.unique_name("loop")
    return loop, await env.start_workflow(MapekLoop.run, LoopState(loop=loop), identifiers.loop_workflow_id(loop), {})


async def query_alert_state(run: ScriptedRun) -> AlertState:
    """Return the alert state of the intake."""
    state: AlertState = await run.handle.query("known_alerts", result_type=AlertState)
    return state


async def list_recent_cycles(run: ScriptedRun) -> tuple[str, ...]:
    """Return the ids of the last cycles."""
    state: LoopState = await run.handle.query("status", result_type=LoopState)
    return state.recent


async def test_an_alert_starts_a_cycle(workflow_env: WorkflowTestEnv) -> None:
    """The cycle has the trigger and the reason of the alert."""
    loop, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", make_batch(1))
    await run.wait_until_handled("child started")
    (cycle,) = await list_recent_cycles(run)
    assert cycle.startswith(identifiers.cycle_id(loop, "alert", "20"))
    started = workflow_env.expect_child(cycle, CycleResult)
    assert (await started.fetch_result()).outcome == "healthy"
    assert await started.fetch_attribute(search_attributes.TRIGGER) == "alert"
    cycle_id = (
        (await started.fetch_history()).events[0].workflow_execution_started_event_attributes.input.payloads[0].data
    )
    assert b'"reason":"1 alert: warning Slow on gateway"' in cycle_id


async def test_a_repeated_alert_starts_no_cycle(workflow_env: WorkflowTestEnv) -> None:
    """A repeated, an old and a resolved alert change only the counts."""
    _, run = await start_loop_workflow(workflow_env)
    for batch in (
        make_batch(1),
        make_batch(1),
        make_batch(1, starts_at=0.5),
        make_batch(1, firing=False),
        make_batch(1),
    ):
        await run.handle.signal("alerts", batch)
    alerts = await query_alert_state(run)
    assert (alerts.cycles, alerts.received, alerts.duplicates) == (1, 5, 3)


async def test_a_second_firing_starts_another_cycle(workflow_env: WorkflowTestEnv) -> None:
    """A relapse has a later start, and starts a cycle."""
    _, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", make_batch(1))
    # All in batch workflow task would share batch cycle.
    await run.wait_for_history(lambda history: summarize_history(history).count("child started") == 1)
    for batch in (make_batch(1, firing=False), make_batch(1, starts_at=2.0)):
        await run.handle.signal("alerts", batch)
    await run.wait_for_history(lambda history: summarize_history(history).count("child started") == 2)


async def test_a_storm_starts_two_cycles(workflow_env: WorkflowTestEnv) -> None:
    """The first alert starts a cycle immediately; all that follow within the debounce share the next."""
    _, run = await start_loop_workflow(workflow_env)
    for start in range(0, 500, 50):
        await run.handle.signal("alerts", make_batch(*range(start, start + 50), debounce=1.5))
    await run.wait_for_history(lambda history: summarize_history(history).count("child started") == 2)
    alerts = await query_alert_state(run)
    assert (alerts.cycles, alerts.pending, len(alerts.last_states)) == (2, 0, 500)
    assert len(set(await list_recent_cycles(run))) == 2


async def test_a_requested_cycle_does_not_wait_for_alerts(workflow_env: WorkflowTestEnv) -> None:
    """While alerts wait for the debounce, a requested cycle starts immediately."""
    loop, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", make_batch(1, debounce=60))
    await run.wait_until_handled("child started")
    await run.handle.signal("alerts", make_batch(2, debounce=60))
    cycle_id = await run.handle.execute_update("request_cycle", ManualCycleRequest(key="now"), result_type=str)
    assert cycle_id == identifiers.cycle_id(loop, "manual", "now")
    assert (await query_alert_state(run)).pending == 1


async def test_nothing_is_lost_or_doubled_across_continue_as_new(
    workflow_env: WorkflowTestEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many signals over several runs: each alert is known once, and each cycle has its own id."""
    monkeypatch.setattr("workflows.loop.MAX_REQUESTS_PER_RUN", 8)
    loop, run = await start_loop_workflow(workflow_env)

    async def sender(number: int) -> None:
        for step in range(10):
            await run.handle.signal("alerts", make_batch(*range(100 * step, 100 * step + 10), number, debounce=0.2))
            await asyncio.sleep(0.05)

    await asyncio.gather(*(sender(10_000 + number) for number in range(4)))

    async def has_no_pending() -> bool:
        return (await query_alert_state(run)).pending == 0

    await wait_until("the last cycle for alerts", has_no_pending, 15)
    alerts = await query_alert_state(run)
    assert (alerts.received, len(alerts.last_states)) == (440, 104)
    runs = [batch async for batch in workflow_env.client.list_workflows(f'WorkflowId="{run.handle.id}"')]
    assert sum(batch.status is WorkflowExecutionStatus.CONTINUED_AS_NEW for batch in runs) >= 2
    query = f'WorkflowType="MapekCycle" AND MapekLoop="{loop}"'
    started = [batch.id async for batch in workflow_env.client.list_workflows(query)]
    assert len(started) == len(set(started)) == alerts.cycles


async def test_pending_alerts_survive_continue_as_new(
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
    alerts = await query_alert_state(run)
    assert (alerts.cycles, alerts.pending, len(alerts.last_states)) == (2, 0, 3)


async def test_an_invalid_signal_is_dropped(workflow_env: WorkflowTestEnv) -> None:
    """A signal that cannot be read changes nothing, and the next one is served."""
    _, run = await start_loop_workflow(workflow_env)
    await run.handle.signal("alerts", {"alerts": [{"fingerprint": 5}]})
    await run.handle.signal("alerts", make_batch(1))
    await run.wait_until_handled("child started")
    assert (await query_alert_state(run)).received == 1
