"""What becomes of plans changes how sure the next diagnosis is, and who decides."""

from activities.model.outcome import Ending, OutcomeType
from activities.model.plan import Plan
from activities.model.snapshot import AnalysisInput, Snapshot
from deploy.simulator.faults import FaultKind
from tests.simulation.driver import Driver
from tests.simulation.environment import World
from tests.simulation.operators import plan_of
from tests.simulation.speedups import quick
from tests.simulation.virtual_time import run

MANY = 200
"""Enough that nothing would be promised any more by what was learned alone."""


async def plans_before_and_after() -> tuple[Plan, Plan, AnalysisInput, list[str]]:
    """Return a plan, and the next one after many like it were not needed any more: of what, and what became of it."""
    driver = Driver(0)
    driver.troubles.present = True
    driver.scrape()
    first = await next_plan(driver, ())
    await forget_the_trouble(driver)
    for number in range(MANY):
        outcome = (await driver.world.store.outcomes.recent("charter", 1))[0]
        gone = {"plan_id": f"{number:012d}", "ending": "recovered", "type": OutcomeType.UNKNOWN, "value": None}
        gone["outlasted"] = False
        await driver.world.store.finish(Ending(outcome=outcome.model_copy(update=gone)))
    second = await next_plan(driver, (first.plan_id,))
    snapshot = await driver.world.store.snapshots.get(second.snapshot, Snapshot)
    source = await driver.world.store.snapshots.get(snapshot.analysis, AnalysisInput)
    done = len(driver.world.plant.ledger)
    for _ in range(4):
        await driver.period()
    phases = [run.attributes["MapekPhase"] for run in driver.people.remediations()]
    assert len(driver.world.plant.ledger) == done
    return first, second, source, phases


async def next_plan(driver: Driver, known: tuple[str, ...]) -> Plan:
    """Let a policy be bad, and return the first plan against it that is not known."""
    driver.world.plant.inject(FaultKind.BAD_POLICY, "gateway")
    while True:
        await driver.period()
        for held in driver.people.remediations():
            plan = await driver.world.store.plans.get(plan_of(held))
            if plan.plan_id not in known:
                return plan


async def forget_the_trouble(driver: Driver) -> None:
    """Take the fault away, and live until nothing runs and the incident is closed."""
    world: World = driver.world
    world.plant.heal()
    world.charter.cache.clear()
    while driver.people.remediations():
        await driver.period()
    await world.store.guards.close_quiet("charter", world.now)


def test_a_pattern_that_mostly_goes_away_asks_a_person():
    """The plan keeps what it rested on, the outcome too, and the next decision carries the curve it was made with."""
    with quick():
        first, second, source, phases = run(plans_before_and_after())
    assert first.grounds
    assert {curve.kind for curve in source.curves} == {ground.kind for ground in first.grounds}
    assert min(curve.n for curve in source.curves) > MANY
    assert second.confidence < 0.2 < first.confidence
    assert (first.doubted, second.doubted, phases) == (False, True, ["awaiting-approval"])
    assert (second.rung, second.actions[0].type) == (first.rung, first.actions[0].type)
