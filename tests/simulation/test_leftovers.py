"""What a terminated remediation leaves behind."""

from deploy.charter.faults import FaultKind
from tests.simulation.driver import Driver
from tests.simulation.pace import quick
from tests.simulation.virtual import run


async def touched_after_termination():
    """Terminate a remediation once it has applied its plan; return the keys of what is done to the knob after it."""
    driver = Driver(0)
    driver.troubles.present = True
    world = driver.world
    driver.scrape()
    world.plant.inject(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.period()
    for held in driver.people.remediations():
        world.engine.terminate(held.workflow_id)
    for _ in range(3):
        await driver.period()
    return [str(entry.key) for entry in world.plant.ledger]


def test_a_leftover_is_settled_before_the_knob_is_touched_again():
    """Whoever terminates a remediation leaves a plan that upkeep takes back before another one is applied."""
    with quick():
        first, second, *_ = run(touched_after_termination())
    assert second == first.replace("-do", "-undo")
