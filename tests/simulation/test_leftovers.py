"""Leftovers of terminated remediations."""

from activities.model.identifiers import SearchAttribute
from deploy.simulator.api_faults import ApiFaultMode
from deploy.simulator.faults import FaultKind
from tests.simulation.charter_api import DELIVERED_LATE
from tests.simulation.driver import LifeDriver
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time


async def list_keys_after_termination() -> list[str]:
    """Terminate a remediation after it applied its plan, and return the keys of all effects."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    world = driver.environment
    driver.scrape()
    world.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.run_period()
    for run in driver.operators.list_remediations():
        world.engine.terminate(run.workflow_id)
    for _ in range(3):
        await driver.run_period()
    return [str(entry.key) for entry in world.plant.ledger]


def test_a_leftover_is_rolled_back_before_the_next_plan() -> None:
    """Upkeep rolls the plan of a terminated remediation back before another plan is applied."""
    with fast_simulation():
        first, second, *_ = run_in_virtual_time(list_keys_after_termination())
    assert second == first.replace("-do", "-undo")


async def start_late_committee_change() -> LifeDriver:
    """Return a life in which Charter is about to execute an abandoned change of the committee."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    world = driver.environment
    driver.scrape()
    faults = [DELIVERED_LATE, *3 * [ApiFaultMode.ERROR_500.value]]
    world.charter.draw_fault = lambda path: (
        faults.pop(0) if path.startswith("committee/") and is_committee_change(path) else ""
    )
    world.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    while faults:
        await driver.run_period()
    world.charter.draw_fault = lambda _: ""
    return driver


async def list_changes_during_cool_down() -> list[str]:
    """Let Charter execute a change after its remediation ended, and return the keys of the committee's effects."""
    driver = await start_late_committee_change()
    world = driver.environment
    for _ in range(4):
        await driver.run_period()
    return [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]


def is_committee_change(path: str) -> bool:
    """Return whether a path changes the committee."""
    return path.endswith(("scale", "restart"))


def test_a_late_change_is_undone_during_the_cool_down() -> None:
    """Upkeep finds an effect after the end of its remediation and undoes it during the cool-down."""
    with fast_simulation():
        first, second, *_ = run_in_virtual_time(list_changes_during_cool_down())
    assert second == first.replace("-do", "-undo")


async def play_leftover_with_dead_members() -> tuple[list[str], list[str]]:
    """Terminate a remediation that added a member, let two members die, and return effect keys and phases."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    world = driver.environment
    driver.scrape()
    world.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    while not world.plant.ledger:
        await driver.run_period()
    for name in ("validator-2", "validator-3"):
        world.plant.inject_fault(FaultKind.DEAD_NODE, name)
    for run in driver.operators.list_remediations():
        world.engine.terminate(run.workflow_id)
    for _ in range(4):
        await driver.run_period()
    keys = [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]
    return keys, [run.attributes[SearchAttribute.PHASE] for run in driver.operators.list_remediations()]


def test_a_rollback_that_breaks_the_quorum_is_quarantined() -> None:
    """The added member stays, and its knob is quarantined, while a rollback would leave less than quorum + 1."""
    with fast_simulation():
        keys, phases = run_in_virtual_time(play_leftover_with_dead_members())
    assert (len(keys), phases) == (1, ["quarantined"])


async def play_leftover_after_recovery() -> tuple[list[str], list[str]]:
    """Let a scaling arrive late while two members are dead, then clear the faults and release the knob.

    Return the keys of the effects before and after that.
    """
    driver = await start_late_committee_change()
    world = driver.environment
    for name in ("validator-2", "validator-3"):
        world.plant.inject_fault(FaultKind.DEAD_NODE, name)
    for _ in range(6):
        await driver.run_period()
    keys_before = [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]
    world.plant.clear_faults()
    world.charter.cache.clear()
    for _ in range(8):
        await driver.operators.clean_up()
        await driver.run_period()
    return keys_before, [str(entry.key) for entry in world.plant.ledger if entry.knob == "committee"]


def test_a_late_change_is_undone_after_the_members_recover() -> None:
    """Upkeep undoes an effect that broke the quorum as soon as the members are healthy."""
    with fast_simulation():
        before, after = run_in_virtual_time(play_leftover_after_recovery())
    assert len(before) == 1
    assert after[1] == before[0].replace("-do", "-undo")
