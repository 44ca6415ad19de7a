"""People around a loop in virtual time: the kill switch in the middle of an apply, and approvals that take days."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from activities.execute.activity import ExecuteActivities
from activities.model.action import Action, ActionType
from activities.model.errors import Stale
from activities.model.outcome import Outcome
from activities.model.plan import Plan, Risk
from activities.model.remediation import ApplyRequest, Approval
from activities.plan.settings import ApprovalSettings
from deploy.simulator.faults import FaultKind
from tests.simulation import charter_api
from tests.simulation.charter_api import DELIVERED_LATE
from tests.simulation.driver import Driver
from tests.simulation.speedups import quick
from tests.simulation.virtual_time import run
from tests.support.model_builders import plan

DAY = 86400.0
WHY = "kill switch: /k: ada: Charter is being moved"


@dataclass(frozen=True)
class Seen:
    """What became of the first plan: its outcome, what was done at Charter, and how later cycles ended."""

    outcome: Outcome
    keys: list[str]
    blocked: tuple[str, ...] = ()


def troubled(**approval: float | Risk) -> Driver:
    """Return a loop over which a lasting trouble has come; with `approval` it asks a person as that says."""
    driver = Driver(0)
    driver.troubles.present = True
    if approval:
        loop = driver.world.loops["charter"]
        plan = loop.settings.plan.model_copy(update={"approval": ApprovalSettings.model_validate(approval)})
        settings = loop.settings.model_copy(update={"plan": plan})
        driver.world.loops["charter"] = replace(loop, settings=settings)
    driver.scrape()
    driver.world.plant.inject(FaultKind.FEW_VALIDATORS, "gateway")
    return driver


async def first_plan(driver: Driver) -> Plan:
    """Live until a remediation runs, and return its plan."""
    while not driver.people.remediations():
        await driver.period()
    argument = driver.people.remediations()[0].argument
    return await driver.world.store.plans.get(argument["plan_id"] if isinstance(argument, dict) else argument.plan_id)


async def ending(driver: Driver, plan: Plan, periods: int = 60) -> Outcome:
    """Live until the plan has ended, and return how."""
    for _ in range(periods):
        if found := await driver.world.store.outcomes.of_plan(plan.plan_id):
            return found
        await driver.period()
    raise AssertionError(f"{plan.plan_id} has not ended in {periods} periods")


def keys_of(driver: Driver) -> list[str]:
    """Return the keys of everything done at Charter."""
    return [str(entry.key) for entry in driver.world.plant.ledger]


async def thrown_in_apply(trouble: str) -> Seen:
    """Throw the switch at the very moment the first change leaves, and let that happen to the request."""
    driver = troubled()
    world = driver.world

    def at_the_change(path: str) -> str:
        if not path.endswith(("apply", "scale", "restart")) or world.switch:
            return ""
        world.switch = WHY
        return trouble

    world.charter.trouble = at_the_change
    plan = await first_plan(driver)
    outcome = await ending(driver, plan)
    world.plant.inject(FaultKind.OVERLOAD, "audit-log")
    since = world.now
    for _ in range(6):
        await driver.period()
    return Seen(outcome, keys_of(driver), await blocks(driver, since))


async def blocks(driver: Driver, since: float) -> tuple[str, ...]:
    """Return the rules that stopped something in the cycles that began since then."""
    rules: set[str] = set()
    for done in driver.world.engine.closed:
        if done.type == "MapekCycle" and done.started >= since:
            decision = await driver.world.store.plans.decision_of(done.workflow_id)
            rules |= {block.rule for block in decision.blocks} if decision else set()
    return tuple(sorted(rules))


@pytest.mark.parametrize(
    ("trouble", "endings", "done"),
    [
        ("", {"fixed", "improved"}, ["0-do"]),
        ("reply-lost", {"fixed", "improved"}, ["0-do"]),
        ("hang-then-execute", {"stopped"}, ["0-do", "0-undo"]),
        ("unavailable", {"stopped"}, []),
    ],
)
def test_the_kill_switch_in_the_middle_of_an_apply(trouble, endings, done):
    """What Charter did is verified or undone, what it did not do is not sent again, and nothing new begins after it."""
    with quick():
        seen = run(thrown_in_apply(trouble))
    assert seen.outcome.ending in endings, seen.outcome.headline
    assert [key.partition("-")[2] for key in seen.keys] == done
    # A graver reason is named first: what was stopped is free on the ladder, and rests.
    assert set(seen.blocked) <= {"kill-switch", "storm", "cool-down", "unsettled"}
    assert seen.blocked
    if "stopped" in endings:
        assert WHY in seen.outcome.headline


async def waited(how: Callable[[Driver, Plan], None], deadline: float = 3 * DAY) -> Seen:
    """Let a plan wait for a person for a day, then let `how` happen, and see what becomes of it."""
    driver = troubled(from_risk=Risk.LOW, deadline_seconds=deadline)
    plan = await first_plan(driver)
    await driver.period()
    await pass_by(driver, DAY)
    for _ in range(3):
        await driver.period()
    how(driver, plan)
    return Seen(await ending(driver, plan), keys_of(driver))


async def pass_by(driver: Driver, seconds: float) -> None:
    """Let time pass in which nothing changes and no cycle runs."""
    driver.world.plant.skip(seconds)
    driver.stood_still += seconds
    await asyncio.sleep(seconds)


def answer(approve: bool) -> Callable[[Driver, Plan], None]:
    """Return what a person does who decides."""

    def act(driver: Driver, plan: Plan) -> None:
        said = Approval(plan=plan.plan_id, approve=approve, who="ada", why="slept on it")
        driver.world.engine.update(plan.workflow_id, "decide", said)

    return act


def nobody(driver: Driver, plan: Plan) -> None:
    """Nobody answers."""
    del driver, plan


def cured(driver: Driver, plan: Plan) -> None:
    """The trouble goes away by itself."""
    del plan
    driver.world.plant.heal()
    driver.world.charter.cache.clear()


@pytest.mark.parametrize(
    ("how", "deadline", "ending_", "headline"),
    [
        (answer(True), 3 * DAY, "fixed", "violated pairs"),
        (answer(False), 3 * DAY, "rejected", "rejected by ada: slept on it"),
        (nobody, DAY, "expired", "nobody decided within 86400 s"),
        (cured, 3 * DAY, "recovered", "its violations are gone"),
    ],
)
def test_a_plan_that_waits_for_a_day(how, deadline, ending_, headline):
    """Days later a yes still applies it, a no or silence does not, and a trouble that went away takes it along."""
    with quick():
        seen = run(waited(how, deadline))
    assert seen.outcome.ending == ending_, seen.outcome.headline
    assert headline in seen.outcome.headline
    assert bool(seen.keys) is (ending_ == "fixed")


async def approved_unheard() -> Seen:
    """Approve a plan while no worker runs for days."""
    driver = troubled(from_risk=Risk.LOW, deadline_seconds=DAY)
    plan = await first_plan(driver)
    await driver.period()
    driver.world.worker_up_at = driver.world.now + 4 * DAY
    answer(True)(driver, plan)
    await pass_by(driver, 4 * DAY)
    return Seen(await ending(driver, plan), keys_of(driver))


def test_a_yes_that_was_heard_days_too_late():
    """What was decided longer ago than a decision holds is stale, however it was approved."""
    with quick():
        seen = run(approved_unheard())
    assert seen.outcome.ending == "stale", seen.outcome.headline
    assert "s ago, more than the 90015 s a decision holds" in seen.outcome.headline
    assert seen.keys == []


async def done_late_while_it_waits_anew() -> tuple[list[str], set[str]]:
    """Let an approved change linger while its plan, refused and made anew, waits for an approval.

    Returns what was done, and the phases the remediations went through meanwhile.
    """
    driver = troubled(from_risk=Risk.LOW)
    world, lingers = driver.world, [DELIVERED_LATE]
    world.charter.trouble = lambda path: lingers.pop() if lingers and path.endswith(("apply", "scale")) else ""
    made = await first_plan(driver)
    while lingers:
        await driver.period()
        answer(True)(driver, made)
        await asyncio.sleep(1.0)
    await world.store.guards.quarantine("charter", made.knob, "charter", "a test", world.now)
    await driver.period()
    await world.store.guards.release("charter", made.knob, "ada", "a test", world.now)
    phases: set[str] = set()
    for _ in range(14):
        await driver.period()
        phases |= {run.attributes["MapekPhase"] for run in driver.people.remediations()}
    return keys_of(driver), phases


def test_nobody_who_waits_keeps_a_late_change_standing(monkeypatch):
    """What is done late on a knob where a plan waits for a person is taken back before anybody has to decide."""
    monkeypatch.setattr(charter_api, "LATE", 20.0)
    with quick():
        (done, undone, *_), phases = run(done_late_while_it_waits_anew())
    assert "awaiting-approval" in phases
    assert undone == done.replace("-do", "-undo")


async def look_once_more(dead: tuple[str, ...]) -> None:
    """Look once more before a person's wish to take a member away is sent, while these members are dead."""
    driver = troubled()
    world = driver.world
    for name in dead:
        world.plant.inject(FaultKind.DEAD_NODE, name)
    committee = await world.loops["charter"].charter.committee()
    down = Action(type=ActionType.SCALE_DOWN, parameters={"replicas": committee.replicas - 1})
    wish = plan(actions=(down,), generation=committee.generation, requested_by="ada")
    request = ApplyRequest(plan_id=wish.plan_id, step=0, generation=committee.generation)
    await ExecuteActivities(world.parts).look_once_more(wish, request)


def test_a_persons_wish_does_not_cost_the_quorum():
    """A person overrules what protects the loop from itself; the committee's majority is not theirs to spend."""
    with pytest.raises(Stale, match="quorum"):
        run(look_once_more(("validator-2", "validator-3")))
