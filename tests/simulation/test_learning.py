"""Outcomes of plans change the confidence of the next diagnosis, and whether an operator decides."""

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
"""So many outcomes that the learned curve alone predicts no benefit."""


async def build_plans_around_learning() -> tuple[Plan, Plan, AnalysisInput, list[str]]:
    """Return a plan, the next one after many outcomes `recovered`, its analysis input, and the phases then."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    driver.scrape()
    first = await find_next_plan(driver, ())
    await clear_incident(driver)
    for number in range(OUTCOME_COUNT):
        outcome = (await driver.environment.store.outcomes.load_recent("charter", 1))[0]
        changes: dict[str, object] = {
            "plan_id": f"{number:012d}",
            "outcome": "recovered",
            "type": EffectClass.UNKNOWN,
            "value": None,
        }
        changes["problem_persisted"] = False
        await driver.environment.store.close_remediation(OutcomeTransaction(outcome=outcome.model_copy(update=changes)))
    second = await find_next_plan(driver, (first.plan_id,))
    snapshot = await driver.environment.store.snapshots.get(second.snapshot, Snapshot)
    source = await driver.environment.store.snapshots.get(snapshot.analysis, AnalysisInput)
    effect_count = len(driver.environment.plant.ledger)
    for _ in range(4):
        await driver.run_period()
    phases = [run.attributes[SearchAttribute.PHASE] for run in driver.operators.list_remediations()]
    assert len(driver.environment.plant.ledger) == effect_count
    return first, second, source, phases


async def find_next_plan(driver: LifeDriver, known_plan_ids: tuple[str, ...]) -> Plan:
    """Inject a bad policy and return the first plan against it whose id is not known."""
    driver.environment.plant.inject_fault(FaultKind.BAD_POLICY, "gateway")
    while True:
        await driver.run_period()
        for run in driver.operators.list_remediations():
            plan = await driver.environment.store.plans.get(parse_plan_id(run))
            if plan.plan_id not in known_plan_ids:
                return plan


async def clear_incident(driver: LifeDriver) -> None:
    """Clear the fault, and run until no remediation runs and the incident is closed."""
    environment: SimulatedEnvironment = driver.environment
    environment.plant.clear_faults()
    environment.charter.cache.clear()
    while driver.operators.list_remediations():
        await driver.run_period()
    await environment.store.guards.close_quiet("charter", environment.now)


def test_a_pattern_that_mostly_recovers_needs_approval() -> None:
    """Plan and outcome keep the evidence patterns; the next decision keeps its calibration curves."""
    with fast_simulation():
        first, second, source, phases = run_in_virtual_time(build_plans_around_learning())
    assert first.evidence_patterns
    assert {curve.kind for curve in source.calibration_curves} == {pattern.kind for pattern in first.evidence_patterns}
    assert min(curve.count for curve in source.calibration_curves) > OUTCOME_COUNT
    assert second.confidence < 0.2 < first.confidence
    assert (first.low_confidence, second.low_confidence, phases) == (False, True, ["awaiting-approval"])
    assert (second.rung, second.actions[0].type) == (first.rung, first.actions[0].type)
