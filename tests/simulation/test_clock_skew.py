"""A worker whose clock is an hour wrong."""

from activities.model.identifiers import SearchAttribute, WorkflowName
from deploy.simulator.faults import FaultKind
from tests.simulation.driver import LifeDriver
from tests.simulation.incidents import HOUR_SECONDS
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time


async def run_with_clock_skew(skew):
    """Return what cycles said of a healthy present, an hour after an incident, on a clock that is so wrong."""
    driver = LifeDriver(1)
    driver.scrape()
    driver.incidents.is_active = True
    world = driver.environment
    for _ in range(6):
        await driver.run_period()
    world.plant.inject_fault(FaultKind.SLOW_NODE, "validator-2")
    began = world.now
    for _ in range(4):
        await driver.run_period()
    world.plant.clear_faults()
    driver.incidents.is_active = False
    while world.now < began + HOUR_SECONDS - 60.0:
        await driver.run_period()
    driver.incidents.is_active = True
    world.skew = skew
    since = world.now
    for _ in range(8):
        await driver.run_period()
    cycles = [done for done in world.engine.closed if done.type == WorkflowName.CYCLE and done.started_at > since]
    return {done.attributes.get(SearchAttribute.OUTCOME) for done in cycles}


def test_a_clock_that_is_ahead_sees_nothing() -> None:
    """What has not been scraped yet cannot be called healthy."""
    with fast_simulation():
        assert run_in_virtual_time(run_with_clock_skew(HOUR_SECONDS)) == {"blind"}


def test_a_clock_that_is_behind_does_not_take_the_past_for_the_present() -> None:
    """An incident of an hour ago is over: nothing is decided upon it, and what was then is not called healthy now."""
    with fast_simulation():
        assert run_in_virtual_time(run_with_clock_skew(-HOUR_SECONDS)) == {"blind"}
