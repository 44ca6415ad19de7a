"""Scenarios of loop workflows and of rounds of upkeep."""

from activities.model import identifiers
from activities.model.alert import Alert, AlertBatch
from activities.model.loop_state import LoopState, ManualCycleRequest
from activities.model.remediation import YieldRequest
from activities.model.upkeep import CoolingRemediation, UpkeepRequest, UpkeepResult, YieldOrder
from tests.workflows import activity_results
from tests.workflows.activity_results import PLAN_ID, make_plan_summary
from tests.workflows.history_summary import summarize_history
from tests.workflows.remediation_scenarios import LEFTOVER_ANSWER, WAITING_ANSWERS, Scenario
from tests.workflows.workflow_env import ScriptedRun, WorkflowTestEnv
from workflows.loop import MapekLoop
from workflows.upkeep import MapekUpkeep

RUNBOOK_LINK = "[runbook](https://runbook.example)"


async def start_loop_workflow(env: WorkflowTestEnv) -> tuple[str, ScriptedRun]:
    """Return the name of a new loop and its running workflow."""
    loop = env.unique_name("loop")
    return loop, await env.start_workflow(
        MapekLoop.run, LoopState(loop=loop, links=RUNBOOK_LINK), identifiers.loop_workflow_id(loop), {}
    )


async def run_upkeep(env: WorkflowTestEnv, result: UpkeepResult) -> ScriptedRun:
    """Run one round with this result to its end."""
    workflow_id = f"{identifiers.upkeep_schedule_id('charter')}-{env.unique_name('round')}"
    run = await env.start_workflow(MapekUpkeep.run, UpkeepRequest(loop="charter"), workflow_id, {"upkeep": result})
    await run.fetch_result()
    return run


def make_yield_order(workflow_id: str) -> YieldOrder:
    """Return an order to yield because the violations are gone."""
    return YieldOrder(
        workflow_id=workflow_id, signal=YieldRequest(plan=PLAN_ID, outcome="recovered", reason="violations are gone")
    )


async def run_serving(env: WorkflowTestEnv) -> ScriptedRun:
    """Serve a signal without and one with a key, a request, and the same request again."""
    _, run = await start_loop_workflow(env)
    await run.handle.signal("run_cycle")
    await run.handle.signal("run_cycle", ManualCycleRequest(key="by-signal", reason="after the deploy"))
    for _ in range(2):
        await run.handle.execute_update("request_cycle", ManualCycleRequest(key="by-update"), result_type=str)
    await run.wait_until_handled("child refused")
    return run


async def run_alerted(env: WorkflowTestEnv) -> ScriptedRun:
    """Send the same alert twice, and then another one that waits for the debounce."""
    _, run = await start_loop_workflow(env)
    alert = Alert(
        fingerprint="00000000000000f1", firing=True, starts_at=activity_results.NOW, name="CommitteeOverloaded"
    )
    for batch in (alert, alert, alert.model_copy(update={"fingerprint": "00000000000000f2"})):
        await run.handle.signal("alerts", AlertBatch(alerts=(batch,), debounce=1.0))
        await run.wait_until_handled("child started")
    await run.wait_for_history(lambda history: summarize_history(history).count("child started") == 2)
    return run


async def run_until_continued_as_new(env: WorkflowTestEnv) -> ScriptedRun:
    """Request cycles until the first run continues as new, and return that run."""
    _, run = await start_loop_workflow(env)
    first = ScriptedRun(
        env.client.get_workflow_handle(run.handle.id, run_id=run.handle.first_execution_run_id), run.script
    )
    while "continued as new" not in await first.summarize_history():
        await run.handle.execute_update("request_cycle", ManualCycleRequest(), result_type=str)
    return first


def make_empty_upkeep_scenario() -> Scenario:
    """Return a round without work."""
    return lambda env: run_upkeep(env, UpkeepResult(headline="0 leftovers, 0 to yield"))


async def run_upkeep_with_leftovers(env: WorkflowTestEnv) -> ScriptedRun:
    """Run a round with a free and a locked leftover, a plan that yields, and one that has ended."""
    locked, free = make_plan_summary(env.unique_name("knob")), make_plan_summary(env.unique_name("knob"))
    holder = await env.start_remediation(knob=locked.knob, prepare=WAITING_ANSWERS)
    await holder.wait_until_handled("phase awaiting-approval")
    env.set_script(free.workflow_id, activity_results.make_remediation_script(prepare=LEFTOVER_ANSWER))
    upkeep_result = UpkeepResult(
        headline="2 leftovers, 2 to yield",
        leftovers=(locked, free),
        yield_orders=(make_yield_order("mapek-fix:charter:gone"), make_yield_order(holder.handle.id)),
    )
    run = await run_upkeep(env, upkeep_result)
    await env.expect_child(free.workflow_id).fetch_result()
    await holder.fetch_result()
    return run


async def run_upkeep_ending_cool_down(env: WorkflowTestEnv) -> ScriptedRun:
    """Run a round with a leftover on a knob in cool-down, and with a cool-down that has ended."""
    late = make_plan_summary(env.unique_name("knob"))
    cooling = await env.start_remediation(knob=late.knob, record=activity_results.make_record_answer(cool_down=600.0))
    await cooling.wait_until_handled("phase cooling-down")
    run_id = (await cooling.handle.describe()).run_id
    env.set_script(late.workflow_id, activity_results.make_remediation_script(prepare=LEFTOVER_ANSWER))
    upkeep_result = UpkeepResult(
        headline="1 leftover",
        leftovers=(late,),
        cooling_remediations=(
            CoolingRemediation(workflow_id=late.workflow_id, run_id=run_id),
            CoolingRemediation(workflow_id="mapek-fix:charter:gone", run_id=run_id),
        ),
    )
    run = await run_upkeep(env, upkeep_result)
    await env.expect_child(late.workflow_id).fetch_result()
    return run


LOOP_SCENARIOS: dict[str, Scenario] = {
    "serving": run_serving,
    "alerted": run_alerted,
    "continued-as-new": run_until_continued_as_new,
}
UPKEEP_SCENARIOS: dict[str, Scenario] = {
    "nothing": make_empty_upkeep_scenario(),
    "settling": run_upkeep_with_leftovers,
    "ending-a-rest": run_upkeep_ending_cool_down,
}
