"""Remediations that an operator resets."""

import asyncio

import pytest

from deploy.simulator.faults import FaultKind
from tests.simulation.driver import LifeDriver
from tests.simulation.report import build_evidence, check_life
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time
from tests.soak.checker.evidence import Violation


async def play_reset(
    task: int, *, stop_before_reset: bool = False, stop_after_reset: bool = False
) -> tuple[list[Violation], list[str], str]:
    """Reset a remediation whose plan is applied or being rolled back; return violations, effect keys and outcome."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    world, engine = driver.environment, driver.environment.engine
    driver.scrape()
    world.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.run_period()
    (run,) = driver.operators.list_remediations()
    if stop_before_reset:
        engine.cancel(run.workflow_id)
        await asyncio.sleep(2.0)
    assert engine.reset(run.workflow_id, task)
    if stop_after_reset:
        engine.cancel(run.workflow_id)
    for _ in range(8):
        await driver.run_period()
    driver.incidents.clear_all_faults()
    await driver.wait_until_at_rest()
    violations, _ = check_life(driver, 0)
    evidence = build_evidence(driver, 0)
    outcome = evidence.find_outcome(run.argument["plan_id"])
    assert outcome is not None
    return violations, [str(entry.key) for entry in world.plant.ledger][:2], outcome["outcome"]


@pytest.mark.parametrize("task", [1, 2, 3])
def test_an_applied_step_is_not_applied_again(task: int) -> None:
    """After a reset to any task the step is found applied and is verified."""
    with fast_simulation():
        violations, _, outcome = run_in_virtual_time(play_reset(task))
    assert violations == []
    assert outcome in ("fixed", "improved", "no_effect", "rolled_back")


@pytest.mark.parametrize("task", [1, 2, 3])
def test_a_rollback_continues_after_a_reset(task: int) -> None:
    """A plan that was being rolled back is neither verified as applied nor kept."""
    with fast_simulation():
        violations, (applied, undone), outcome = run_in_virtual_time(play_reset(task, stop_before_reset=True))
    assert violations == []
    assert undone == applied.replace("-do", "-undo")
    assert outcome in ("rolled_back", "stale")


@pytest.mark.parametrize("task", [1, 2, 3])
def test_a_stop_before_the_second_prepare_rolls_back(task: int) -> None:
    """The steps applied before the reset are rolled back, although none was applied since."""
    with fast_simulation():
        violations, (applied, undone), outcome = run_in_virtual_time(play_reset(task, stop_after_reset=True))
    assert violations == []
    assert undone == applied.replace("-do", "-undo")
    assert outcome == "stopped"
