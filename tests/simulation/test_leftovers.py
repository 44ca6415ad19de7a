"""What a terminated remediation leaves behind."""

from deploy.simulator.fault_injection import Mode
from deploy.simulator.faults import FaultKind
from tests.simulation.charter_api import DELIVERED_LATE
from tests.simulation.driver import Driver
from tests.simulation.speedups import quick
from tests.simulation.virtual_time import run


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


async def given_up_and_done_late():
    """Return a life in which Charter is about to carry a change of the committee out that was given up."""
    driver = Driver(0)
    driver.troubles.present = True
    world = driver.world
    driver.scrape()
    happens = [DELIVERED_LATE, *3 * [Mode.ERROR_500.value]]
    world.charter.trouble = lambda path: happens.pop(0) if path.startswith("committee/") and is_change(path) else ""
    world.plant.inject(FaultKind.FEW_VALIDATORS, "gateway")
    while happens:
        await driver.period()
    world.charter.trouble = lambda _: ""
    return driver


async def undone_while_it_rests():
    """Let Charter carry a change out after its remediation gave up; return what was done to the committee."""
    driver = await given_up_and_done_late()
    world = driver.world
    for _ in range(4):
        await driver.period()
    return [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]


def is_change(path):
    """Tell whether a path changes the committee."""
    return path.endswith(("scale", "restart"))


def test_a_late_change_is_undone_before_the_rest_is_over():
    """What is done after a remediation ended is found while that one cools down, and taken back at once."""
    with quick():
        first, second, *_ = run(undone_while_it_rests())
    assert second == first.replace("-do", "-undo")


async def held_while_members_are_dead():
    """Terminate a remediation that has added a member, let two die, and return what was done and what is held."""
    driver = Driver(0)
    driver.troubles.present = True
    world = driver.world
    driver.scrape()
    world.plant.inject(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.period()
    for name in ("validator-2", "validator-3"):
        world.plant.inject(FaultKind.DEAD_NODE, name)
    for held in driver.people.remediations():
        world.engine.terminate(held.workflow_id)
    for _ in range(4):
        await driver.period()
    keys = [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]
    return keys, [run.attributes["MapekPhase"] for run in driver.people.remediations()]


def test_a_rollback_that_would_cost_the_quorum_is_left_to_a_person():
    """A member too many stays, and its knob is held, while taking it away would leave less than quorum + 1."""
    with quick():
        keys, phases = run(held_while_members_are_dead())
    assert (len(keys), phases) == (1, ["quarantined"])


async def taken_back_once_members_are_well():
    """Let a scale come late while two members are dead, then heal them and release the knob; return what was done."""
    driver = await given_up_and_done_late()
    world = driver.world
    for name in ("validator-2", "validator-3"):
        world.plant.inject(FaultKind.DEAD_NODE, name)
    for _ in range(6):
        await driver.period()
    held = [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]
    world.plant.heal()
    world.charter.cache.clear()
    for _ in range(8):
        await driver.people.tidy_up()
        await driver.period()
    return held, [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]


def test_a_late_change_held_for_the_quorum_is_not_forgotten():
    """What may not be taken back now is found again by upkeep, and taken back when the members are well."""
    with quick():
        held, done = run(taken_back_once_members_are_well())
    assert len(held) == 1
    assert done[1] == held[0].replace("-do", "-undo")
