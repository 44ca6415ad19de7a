"""A worker whose clock is wrong by one hour."""

from activities.model.identifiers import SearchAttribute, WorkflowName
from deploy.simulator.faults import FaultKind
from tests.simulation.driver import LifeDriver
from tests.simulation.incidents import HOUR_SECONDS
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time


async def run_with_clock_skew(skew: float) -> set[str | None]:
    """Return the outcomes of cycles on a clock wrong by `skew` seconds.

    The plant is healthy, and one hour ago there was an incident.
    """
    driver = LifeDriver(1)
    driver.scrape()
    driver.incidents.is_active = True
    world = driver.environment
    for _ in range(6):
        await driver.run_period()
    world.plant.inject_fault(FaultKind.SLOW_NODE, "validator-2")
    started_at = world.now
    for _ in range(4):
        await driver.run_period()
    world.plant.clear_faults()
    driver.incidents.is_active = False
    while world.now < started_at + HOUR_SECONDS - 60.0:
        await driver.run_period()
    driver.incidents.is_active = True
    world.skew = skew
    since = world.now
    for _ in range(8):
        await driver.run_period()
    cycles = [run for run in world.engine.closed if run.type == WorkflowName.CYCLE and run.started_at > since]
    return {run.attributes.get(SearchAttribute.OUTCOME) for run in cycles}


def test_a_clock_that_is_ahead_is_blind() -> None:
    """Without scrapes a cycle is blind, not healthy."""
    with fast_simulation():
        assert run_in_virtual_time(run_with_clock_skew(HOUR_SECONDS)) == {"blind"}


def test_a_clock_that_is_behind_is_blind() -> None:
    """A cycle that reads samples of one hour ago neither plans nor reports healthy."""
    with fast_simulation():
        assert run_in_virtual_time(run_with_clock_skew(-HOUR_SECONDS)) == {"blind"}
