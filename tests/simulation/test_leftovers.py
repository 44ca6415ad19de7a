"""What a terminated remediation leaves behind."""

from activities.model.identifiers import SearchAttribute
from deploy.simulator.api_faults import ApiFaultMode
from deploy.simulator.faults import FaultKind
from tests.simulation.charter_api import DELIVERED_LATE
from tests.simulation.driver import LifeDriver
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time


async def list_keys_after_termination():
    """Terminate a remediation once it has applied its plan; return the keys of what is done to the knob after it."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    world = driver.environment
    driver.scrape()
    world.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.run_period()
    for held in driver.operators.list_remediations():
        world.engine.terminate(held.workflow_id)
    for _ in range(3):
        await driver.run_period()
    return [str(entry.key) for entry in world.plant.ledger]


def test_a_leftover_is_settled_before_the_knob_is_touched_again() -> None:
    """Whoever terminates a remediation leaves a plan that upkeep takes back before another one is applied."""
    with fast_simulation():
        first, second, *_ = run_in_virtual_time(list_keys_after_termination())
    assert second == first.replace("-do", "-undo")


async def start_late_committee_change():
    """Return a life in which Charter is about to carry a change of the committee out that was given up."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    world = driver.environment
    driver.scrape()
    happens = [DELIVERED_LATE, *3 * [ApiFaultMode.ERROR_500.value]]
    world.charter.draw_fault = lambda path: (
        happens.pop(0) if path.startswith("committee/") and is_committee_change(path) else ""
    )
    world.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    while happens:
        await driver.run_period()
    world.charter.draw_fault = lambda _: ""
    return driver


async def list_changes_during_cool_down():
    """Let Charter carry a change out after its remediation gave up; return what was done to the committee."""
    driver = await start_late_committee_change()
    world = driver.environment
    for _ in range(4):
        await driver.run_period()
    return [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]


def is_committee_change(path):
    """Tell whether a path changes the committee."""
    return path.endswith(("scale", "restart"))


def test_a_late_change_is_undone_before_the_rest_is_over() -> None:
    """What is done after a remediation ended is found while that one cools down, and taken back at once."""
    with fast_simulation():
        first, second, *_ = run_in_virtual_time(list_changes_during_cool_down())
    assert second == first.replace("-do", "-undo")


async def play_leftover_with_dead_members():
    """Terminate a remediation that has added a member, let two die, and return what was done and what is held."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    world = driver.environment
    driver.scrape()
    world.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.run_period()
    for name in ("validator-2", "validator-3"):
        world.plant.inject_fault(FaultKind.DEAD_NODE, name)
    for held in driver.operators.list_remediations():
        world.engine.terminate(held.workflow_id)
    for _ in range(4):
        await driver.run_period()
    keys = [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]
    return keys, [run.attributes[SearchAttribute.PHASE] for run in driver.operators.list_remediations()]


def test_a_rollback_that_would_cost_the_quorum_is_left_to_a_person() -> None:
    """A member too many stays, and its knob is held, while taking it away would leave less than quorum + 1."""
    with fast_simulation():
        keys, phases = run_in_virtual_time(play_leftover_with_dead_members())
    assert (len(keys), phases) == (1, ["quarantined"])


async def play_leftover_after_recovery():
    """Let a scale come late while two members are dead, then heal them and release the knob; return what was done."""
    driver = await start_late_committee_change()
    world = driver.environment
    for name in ("validator-2", "validator-3"):
        world.plant.inject_fault(FaultKind.DEAD_NODE, name)
    for _ in range(6):
        await driver.run_period()
    held = [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]
    world.plant.clear_faults()
    world.charter.cache.clear()
    for _ in range(8):
        await driver.operators.clean_up()
        await driver.run_period()
    return held, [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]


def test_a_late_change_held_for_the_quorum_is_not_forgotten() -> None:
    """What may not be taken back now is found again by upkeep, and taken back when the members are well."""
    with fast_simulation():
        held, done = run_in_virtual_time(play_leftover_after_recovery())
    assert len(held) == 1
    assert done[1] == held[0].replace("-do", "-undo")
