"""What a remediation finds that a person sent back to an earlier point."""

import asyncio

import pytest

from deploy.simulator.faults import FaultKind
from tests.simulation.driver import LifeDriver
from tests.simulation.report import build_evidence, check_life
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time


async def play_reset(task: int, *, stop_before_reset: bool = False, stop_after_reset: bool = False):
    """Reset a remediation whose plan is applied, or on its way back; return violations, ledger and its ending."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    world, engine = driver.environment, driver.environment.engine
    driver.scrape()
    world.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.run_period()
    (held,) = driver.operators.list_remediations()
    if stop_before_reset:
        engine.cancel(held.workflow_id)
        await asyncio.sleep(2.0)
    assert engine.reset(held.workflow_id, task)
    if stop_after_reset:
        engine.cancel(held.workflow_id)
    for _ in range(8):
        await driver.run_period()
    driver.incidents.clear_all_faults()
    await driver.wait_until_at_rest()
    violations, _ = check_life(driver, 0)
    evidence = build_evidence(driver, 0)
    outcome = evidence.find_outcome(held.argument["plan_id"])
    return violations, [str(entry.key) for entry in world.plant.ledger][:2], outcome["outcome"]


@pytest.mark.parametrize("task", [1, 2, 3])
def test_what_is_done_is_not_done_again(task: int) -> None:
    """From whichever point it goes on: the step is found done, is judged, and its ending is that of what stands."""
    with fast_simulation():
        violations, _, ending = run_in_virtual_time(play_reset(task))
    assert violations == []
    assert ending in ("fixed", "improved", "no_effect", "rolled_back")


@pytest.mark.parametrize("task", [1, 2, 3])
def test_what_is_on_its_way_back_goes_all_the_way(task: int) -> None:
    """A plan that was being rolled back is not judged as if it stood, and never kept."""
    with fast_simulation():
        violations, (done, undone), ending = run_in_virtual_time(play_reset(task, stop_before_reset=True))
    assert violations == []
    assert undone == done.replace("-do", "-undo")
    assert ending in ("rolled_back", "stale")


@pytest.mark.parametrize("task", [1, 2, 3])
def test_who_stops_it_before_it_is_prepared_again_leaves_nothing_behind(task: int) -> None:
    """Stopped in its second settling, it has applied nothing since, but what it had applied before is taken back."""
    with fast_simulation():
        violations, (done, undone), ending = run_in_virtual_time(play_reset(task, stop_after_reset=True))
    assert violations == []
    assert undone == done.replace("-do", "-undo")
    assert ending == "stopped"
