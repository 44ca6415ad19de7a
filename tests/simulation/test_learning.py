"""What becomes of plans changes how sure the next diagnosis is, and who decides."""

from activities.model.identifiers import SearchAttribute
from activities.model.outcome import EffectClass, OutcomeTransaction
from activities.model.plan import Plan
from activities.model.snapshot import AnalysisInput, Snapshot
from deploy.simulator.faults import FaultKind
from tests.simulation.driver import LifeDriver
from tests.simulation.environment import SimulatedEnvironment
from tests.simulation.operators import parse_plan_id
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time

OUTCOME_COUNT = 200
"""Enough that nothing would be promised any more by what was learned alone."""


async def build_plans_around_learning() -> tuple[Plan, Plan, AnalysisInput, list[str]]:
    """Return a plan, and the next one after many like it were not needed any more: of what, and what became of it."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    driver.scrape()
    first = await find_next_plan(driver, ())
    await clear_incident(driver)
    for number in range(OUTCOME_COUNT):
        outcome = (await driver.environment.store.outcomes.load_recent("charter", 1))[0]
        gone = {"plan_id": f"{number:012d}", "outcome": "recovered", "type": EffectClass.UNKNOWN, "value": None}
        gone["problem_persisted"] = False
        await driver.environment.store.close_remediation(OutcomeTransaction(outcome=outcome.model_copy(update=gone)))
    second = await find_next_plan(driver, (first.plan_id,))
    snapshot = await driver.environment.store.snapshots.get(second.snapshot, Snapshot)
    source = await driver.environment.store.snapshots.get(snapshot.analysis, AnalysisInput)
    done = len(driver.environment.plant.ledger)
    for _ in range(4):
        await driver.run_period()
    phases = [run.attributes[SearchAttribute.PHASE] for run in driver.operators.list_remediations()]
    assert len(driver.environment.plant.ledger) == done
    return first, second, source, phases


async def find_next_plan(driver: LifeDriver, known_plan_ids: tuple[str, ...]) -> Plan:
    """Let a policy be bad, and return the first plan against it that is not known."""
    driver.environment.plant.inject_fault(FaultKind.BAD_POLICY, "gateway")
    while True:
        await driver.run_period()
        for held in driver.operators.list_remediations():
            plan = await driver.environment.store.plans.get(parse_plan_id(held))
            if plan.plan_id not in known_plan_ids:
                return plan


async def clear_incident(driver: LifeDriver) -> None:
    """Take the fault away, and live until nothing runs and the incident is closed."""
    world: SimulatedEnvironment = driver.environment
    world.plant.clear_faults()
    world.charter.cache.clear()
    while driver.operators.list_remediations():
        await driver.run_period()
    await world.store.guards.close_quiet("charter", world.now)


def test_a_pattern_that_mostly_goes_away_asks_a_person() -> None:
    """The plan keeps what it rested on, the outcome too, and the next decision carries the curve it was made with."""
    with fast_simulation():
        first, second, source, phases = run_in_virtual_time(build_plans_around_learning())
    assert first.evidence_patterns
    assert {curve.kind for curve in source.calibration_curves} == {ground.kind for ground in first.evidence_patterns}
    assert min(curve.count for curve in source.calibration_curves) > OUTCOME_COUNT
    assert second.confidence < 0.2 < first.confidence
    assert (first.low_confidence, second.low_confidence, phases) == (False, True, ["awaiting-approval"])
    assert (second.rung, second.actions[0].type) == (first.rung, first.actions[0].type)
