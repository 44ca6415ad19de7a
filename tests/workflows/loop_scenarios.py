"""Intakes and rounds of upkeep as they can go: each scene plays one on a stage."""

from activities.model.alert import Alert, AlertBatch
from activities.model.intake import Ask, LoopState, Resting, Upkeep, UpkeepRequest, Yielding
from activities.model.remediation import Yield
from tests.workflows import activity_results
from tests.workflows.activity_results import PLAN, plan_brief
from tests.workflows.history_summary import story_of
from tests.workflows.remediation_scenarios import LEFTOVER, WAITS, Scene
from tests.workflows.workflow_env import Run, Stage
from workflows import names
from workflows.loop import MapekLoop
from workflows.upkeep import MapekUpkeep

LINKS = "[runbook](https://runbook.example)"


async def intake(stage: Stage) -> tuple[str, Run]:
    """Return the name of a fresh loop and its running intake."""
    loop = stage.fresh("loop")
    return loop, await stage.start(MapekLoop.run, LoopState(loop=loop, links=LINKS), names.intake_id(loop), {})


async def upkeep(stage: Stage, found: Upkeep) -> Run:
    """Play one round that finds this, and see it end."""
    workflow_id = f"{names.upkeep_schedule_id('charter')}-{stage.fresh('round')}"
    run = await stage.start(MapekUpkeep.run, UpkeepRequest(loop="charter"), workflow_id, {"upkeep": found})
    await run.result()
    return run


def recovered(workflow_id: str) -> Yielding:
    """Ask the plan to give way because its violations are gone."""
    return Yielding(workflow_id=workflow_id, signal=Yield(plan=PLAN, ending="recovered", why="violations are gone"))


async def serving(stage: Stage) -> Run:
    """An intake that served a signal without and one with a key, a request, and the same request again."""
    _, run = await intake(stage)
    await run.handle.signal("run_cycle")
    await run.handle.signal("run_cycle", Ask(key="by-signal", reason="after the deploy"))
    for _ in range(2):
        await run.handle.execute_update("request_cycle", Ask(key="by-update"), result_type=str)
    await run.until("child refused")
    return run


async def alerted(stage: Stage) -> Run:
    """An intake that gets the same alert twice and then another one, which waits until it may start a cycle."""
    _, run = await intake(stage)
    alert = Alert(
        fingerprint="00000000000000f1", firing=True, starts_at=activity_results.AT, name="CommitteeOverloaded"
    )
    for batch in (alert, alert, alert.model_copy(update={"fingerprint": "00000000000000f2"})):
        await run.handle.signal("alerts", AlertBatch(alerts=(batch,), debounce=1.0))
        await run.until("child started")
    await run.watch(lambda history: story_of(history).count("child started") == 2)
    return run


async def continued_as_new(stage: Stage) -> Run:
    """The first run of an intake that is asked until the server suggests to go on in a fresh one."""
    _, run = await intake(stage)
    first = Run(stage.client.get_workflow_handle(run.handle.id, run_id=run.handle.first_execution_run_id), run.script)
    while "continued as new" not in await first.story():
        await run.handle.execute_update("request_cycle", Ask(), result_type=str)
    return first


def finds_nothing() -> Scene:
    """A round with nothing to do."""
    return lambda stage: upkeep(stage, Upkeep(headline="0 leftovers, 0 to give way"))


async def finds_all(stage: Stage) -> Run:
    """A round with a leftover to settle, one that is locked, a plan that shall give way and one that is gone."""
    locked, free = plan_brief(stage.fresh("knob")), plan_brief(stage.fresh("knob"))
    holder = await stage.remediate(knob=locked.knob, prepare=WAITS)
    await holder.until("phase awaiting-approval")
    stage.lay_out(free.workflow_id, activity_results.remediation(prepare=LEFTOVER))
    found = Upkeep(
        headline="2 leftovers, 2 to give way",
        leftovers=(locked, free),
        yielding=(recovered("mapek-fix:charter:gone"), recovered(holder.handle.id)),
    )
    run = await upkeep(stage, found)
    await stage.child(free.workflow_id).result()
    await holder.result()
    return run


async def ends_a_rest(stage: Stage) -> Run:
    """A round that finds something late on a knob that rests, and one whose rest is over by itself."""
    late = plan_brief(stage.fresh("knob"))
    resting = await stage.remediate(knob=late.knob, record=activity_results.recorded(cool_down=600.0))
    await resting.until("phase cooling-down")
    run_id = (await resting.handle.describe()).run_id
    stage.lay_out(late.workflow_id, activity_results.remediation(prepare=LEFTOVER))
    found = Upkeep(
        headline="1 leftover",
        leftovers=(late,),
        resting=(
            Resting(workflow_id=late.workflow_id, run_id=run_id),
            Resting(workflow_id="mapek-fix:charter:gone", run_id=run_id),
        ),
    )
    run = await upkeep(stage, found)
    await stage.child(late.workflow_id).result()
    return run


INTAKES: dict[str, Scene] = {"serving": serving, "alerted": alerted, "continued-as-new": continued_as_new}
UPKEEPS: dict[str, Scene] = {"nothing": finds_nothing(), "settling": finds_all, "ending-a-rest": ends_a_rest}
