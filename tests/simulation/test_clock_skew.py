"""A worker whose clock is an hour wrong."""

from deploy.simulator.faults import FaultKind
from tests.simulation.driver import Driver
from tests.simulation.incidents import HOUR
from tests.simulation.speedups import quick
from tests.simulation.virtual_time import run


async def looked_back(skew):
    """Return what cycles said of a healthy present, an hour after an incident, on a clock that is so wrong."""
    driver = Driver(1)
    driver.scrape()
    driver.troubles.present = True
    world = driver.world
    for _ in range(6):
        await driver.period()
    world.plant.inject(FaultKind.SLOW_NODE, "validator-2")
    began = world.now
    for _ in range(4):
        await driver.period()
    world.plant.heal()
    driver.troubles.present = False
    while world.now < began + HOUR - 60.0:
        await driver.period()
    driver.troubles.present = True
    world.skew = skew
    since = world.now
    for _ in range(8):
        await driver.period()
    cycles = [done for done in world.engine.closed if done.type == "MapekCycle" and done.started > since]
    return {done.attributes.get("MapekOutcome") for done in cycles}


def test_a_clock_that_is_ahead_sees_nothing():
    """What has not been scraped yet cannot be called healthy."""
    with quick():
        assert run(looked_back(HOUR)) == {"blind"}


def test_a_clock_that_is_behind_does_not_take_the_past_for_the_present():
    """An incident of an hour ago is over: nothing is decided upon it, and what was then is not called healthy now."""
    with quick():
        assert run(looked_back(-HOUR)) == {"blind"}
