"""What a remediation finds that a person sent back to an earlier point."""

import asyncio

import pytest

from deploy.simulator.faults import FaultKind
from tests.simulation.driver import Driver
from tests.simulation.report import evidence_of, judged
from tests.simulation.speedups import quick
from tests.simulation.virtual_time import run


async def sent_back(task: int, *, stopped_before: bool = False, stopped_after: bool = False):
    """Reset a remediation whose plan is applied, or on its way back; return violations, ledger and its ending."""
    driver = Driver(0)
    driver.troubles.present = True
    world, engine = driver.world, driver.world.engine
    driver.scrape()
    world.plant.inject(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.period()
    (held,) = driver.people.remediations()
    if stopped_before:
        engine.cancel(held.workflow_id)
        await asyncio.sleep(2.0)
    assert engine.reset(held.workflow_id, task)
    if stopped_after:
        engine.cancel(held.workflow_id)
    for _ in range(8):
        await driver.period()
    driver.troubles.end()
    await driver.rest()
    violations, _ = judged(driver, 0)
    evidence = evidence_of(driver, 0)
    outcome = evidence.outcome(held.argument["plan_id"])
    return violations, [str(entry.key) for entry in world.plant.ledger][:2], outcome["ending"]


@pytest.mark.parametrize("task", [1, 2, 3])
def test_what_is_done_is_not_done_again(task: int):
    """From whichever point it goes on: the step is found done, is judged, and its ending is that of what stands."""
    with quick():
        violations, _, ending = run(sent_back(task))
    assert violations == []
    assert ending in ("fixed", "improved", "no_effect", "rolled_back")


@pytest.mark.parametrize("task", [1, 2, 3])
def test_what_is_on_its_way_back_goes_all_the_way(task: int):
    """A plan that was being rolled back is not judged as if it stood, and never kept."""
    with quick():
        violations, (done, undone), ending = run(sent_back(task, stopped_before=True))
    assert violations == []
    assert undone == done.replace("-do", "-undo")
    assert ending in ("rolled_back", "stale")


@pytest.mark.parametrize("task", [1, 2, 3])
def test_who_stops_it_before_it_is_prepared_again_leaves_nothing_behind(task: int):
    """Stopped in its second settling, it has applied nothing since, but what it had applied before is taken back."""
    with quick():
        violations, (done, undone), ending = run(sent_back(task, stopped_after=True))
    assert violations == []
    assert undone == done.replace("-do", "-undo")
    assert ending == "stopped"
