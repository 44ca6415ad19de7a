"""People around a loop in virtual time: the kill switch in the middle of an apply, and approvals that take days."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from activities.execute.activity import ExecuteActivities
from activities.model.action import Action, ActionType
from activities.model.errors import Stale
from activities.model.identifiers import SearchAttribute, WorkflowName
from activities.model.outcome import Outcome
from activities.model.plan import Plan, Risk
from activities.model.remediation import ApplyRequest, Approval
from activities.plan.settings import ApprovalSettings
from deploy.simulator.faults import FaultKind
from tests.simulation import charter_api
from tests.simulation.charter_api import DELIVERED_LATE
from tests.simulation.driver import LifeDriver
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time
from tests.support.model_builders import make_plan, quarantine_knob

DAY_SECONDS = 86400.0
KILL_SWITCH_REASON = "kill switch: /k: ada: Charter is being moved"


@dataclass(frozen=True)
class PlanResult:
    """What became of the first plan: its outcome, what was done at Charter, and how later cycles ended."""

    outcome: Outcome
    change_keys: list[str]
    blocking_rules: tuple[str, ...] = ()


def make_troubled_driver(**approval: float | Risk) -> LifeDriver:
    """Return a loop over which a lasting trouble has come; with `approval` it asks a person as that says."""
    driver = LifeDriver(0)
    driver.incidents.is_active = True
    if approval:
        loop = driver.environment.loops["charter"]
        plan = loop.settings.plan.model_copy(update={"approval": ApprovalSettings.model_validate(approval)})
        settings = loop.settings.model_copy(update={"plan": plan})
        driver.environment.loops["charter"] = replace(loop, settings=settings)
    driver.scrape()
    driver.environment.plant.inject_fault(FaultKind.FEW_VALIDATORS, "gateway")
    return driver


async def run_until_first_plan(driver: LifeDriver) -> Plan:
    """Live until a remediation runs, and return its plan."""
    while not driver.operators.list_remediations():
        await driver.run_period()
    argument = driver.operators.list_remediations()[0].argument
    return await driver.environment.store.plans.get(
        argument["plan_id"] if isinstance(argument, dict) else argument.plan_id
    )


async def run_until_outcome(driver: LifeDriver, plan: Plan, periods: int = 60) -> Outcome:
    """Live until the plan has ended, and return how."""
    for _ in range(periods):
        if found := await driver.environment.store.outcomes.load_for_plan(plan.plan_id):
            return found
        await driver.run_period()
    raise AssertionError(f"{plan.plan_id} has not ended in {periods} periods")


def list_change_keys(driver: LifeDriver) -> list[str]:
    """Return the keys of everything done at Charter."""
    return [str(entry.key) for entry in driver.environment.plant.ledger]


async def play_kill_switch_in_apply(fault: str) -> PlanResult:
    """Throw the switch at the very moment the first change leaves, and let that happen to the request."""
    driver = make_troubled_driver()
    world = driver.environment

    def at_the_change(path: str) -> str:
        if not path.endswith(("apply", "scale", "restart")) or world.kill_switch_reason:
            return ""
        world.kill_switch_reason = KILL_SWITCH_REASON
        return fault

    world.charter.draw_fault = at_the_change
    plan = await run_until_first_plan(driver)
    outcome = await run_until_outcome(driver, plan)
    world.plant.inject_fault(FaultKind.OVERLOAD, "audit-log")
    since = world.now
    for _ in range(6):
        await driver.run_period()
    return PlanResult(outcome, list_change_keys(driver), await list_blocking_rules(driver, since))


async def list_blocking_rules(driver: LifeDriver, since: float) -> tuple[str, ...]:
    """Return the rules that stopped something in the cycles that began since then."""
    rules: set[str] = set()
    for done in driver.environment.engine.closed:
        if done.type == WorkflowName.CYCLE and done.started_at >= since:
            decision = await driver.environment.store.plans.load_decision(done.workflow_id)
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
def test_the_kill_switch_in_the_middle_of_an_apply(trouble, endings, done) -> None:
    """What Charter did is verified or undone, what it did not do is not sent again, and nothing new begins after it."""
    with fast_simulation():
        seen = run_in_virtual_time(play_kill_switch_in_apply(trouble))
    assert seen.outcome.outcome in endings, seen.outcome.headline
    assert [key.partition("-")[2] for key in seen.change_keys] == done
    # A graver reason is named first: what was stopped is free on the ladder, and rests.
    assert set(seen.blocking_rules) <= {"kill-switch", "storm", "cool-down", "unsettled"}
    assert seen.blocking_rules
    if "stopped" in endings:
        assert KILL_SWITCH_REASON in seen.outcome.headline


async def play_approval_wait(
    respond: Callable[[LifeDriver, Plan], None], deadline: float = 3 * DAY_SECONDS
) -> PlanResult:
    """Let a plan wait for a person for a day, then let `how` happen, and see what becomes of it."""
    driver = make_troubled_driver(from_risk=Risk.LOW, deadline_seconds=deadline)
    plan = await run_until_first_plan(driver)
    await driver.run_period()
    await skip_time(driver, DAY_SECONDS)
    for _ in range(3):
        await driver.run_period()
    respond(driver, plan)
    return PlanResult(await run_until_outcome(driver, plan), list_change_keys(driver))


async def skip_time(driver: LifeDriver, seconds: float) -> None:
    """Let time pass in which nothing changes and no cycle runs."""
    driver.environment.plant.skip_time(seconds)
    driver.skipped_seconds += seconds
    await asyncio.sleep(seconds)


def make_decision(approve: bool) -> Callable[[LifeDriver, Plan], None]:
    """Return what a person does who decides."""

    def act(driver: LifeDriver, plan: Plan) -> None:
        said = Approval(plan=plan.plan_id, approve=approve, actor="ada", reason="slept on it")
        driver.environment.engine.update(plan.workflow_id, "decide", said)

    return act


def do_nothing(driver: LifeDriver, plan: Plan) -> None:
    """Nobody answers."""
    del driver, plan


def clear_fault(driver: LifeDriver, plan: Plan) -> None:
    """The trouble goes away by itself."""
    del plan
    driver.environment.plant.clear_faults()
    driver.environment.charter.cache.clear()


@pytest.mark.parametrize(
    ("how", "deadline", "ending_", "headline"),
    [
        (make_decision(True), 3 * DAY_SECONDS, "fixed", "violated pairs"),
        (make_decision(False), 3 * DAY_SECONDS, "rejected", "rejected by ada: slept on it"),
        (do_nothing, DAY_SECONDS, "expired", "no decision within 86400 s"),
        (clear_fault, 3 * DAY_SECONDS, "recovered", "its violations are gone"),
    ],
)
def test_a_plan_that_waits_for_a_day(how, deadline, ending_, headline) -> None:
    """Days later a yes still applies it, a no or silence does not, and a trouble that went away takes it along."""
    with fast_simulation():
        seen = run_in_virtual_time(play_approval_wait(how, deadline))
    assert seen.outcome.outcome == ending_, seen.outcome.headline
    assert headline in seen.outcome.headline
    assert bool(seen.change_keys) is (ending_ == "fixed")


async def play_approval_without_worker() -> PlanResult:
    """Approve a plan while no worker runs for days."""
    driver = make_troubled_driver(from_risk=Risk.LOW, deadline_seconds=DAY_SECONDS)
    plan = await run_until_first_plan(driver)
    await driver.run_period()
    driver.environment.worker_up_at = driver.environment.now + 4 * DAY_SECONDS
    make_decision(True)(driver, plan)
    await skip_time(driver, 4 * DAY_SECONDS)
    return PlanResult(await run_until_outcome(driver, plan), list_change_keys(driver))


def test_a_yes_that_was_heard_days_too_late() -> None:
    """What was decided longer ago than a decision holds is stale, however it was approved."""
    with fast_simulation():
        seen = run_in_virtual_time(play_approval_without_worker())
    assert seen.outcome.outcome == "stale", seen.outcome.headline
    assert "s ago, a plan is valid for 90015 s" in seen.outcome.headline
    assert seen.change_keys == []


async def play_late_change_during_approval() -> tuple[list[str], set[str]]:
    """Let an approved change linger while its plan, refused and made anew, waits for an approval.

    Returns what was done, and the phases the remediations went through meanwhile.
    """
    driver = make_troubled_driver(from_risk=Risk.LOW)
    world, lingers = driver.environment, [DELIVERED_LATE]
    world.charter.draw_fault = lambda path: lingers.pop() if lingers and path.endswith(("apply", "scale")) else ""
    made = await run_until_first_plan(driver)
    while lingers:
        await driver.run_period()
        make_decision(True)(driver, made)
        await asyncio.sleep(1.0)
    await quarantine_knob(world.store, made.knob, "a test", world.now)
    await driver.run_period()
    await world.store.guards.release("charter", made.knob, "ada", "a test", world.now)
    phases: set[str] = set()
    for _ in range(14):
        await driver.run_period()
        phases |= {run.attributes[SearchAttribute.PHASE] for run in driver.operators.list_remediations()}
    return list_change_keys(driver), phases


def test_nobody_who_waits_keeps_a_late_change_standing(monkeypatch) -> None:
    """What is done late on a knob where a plan waits for a person is taken back before anybody has to decide."""
    monkeypatch.setattr(charter_api, "LATE_DELIVERY_SECONDS", 20.0)
    with fast_simulation():
        (done, undone, *_), phases = run_in_virtual_time(play_late_change_during_approval())
    assert "awaiting-approval" in phases
    assert undone == done.replace("-do", "-undo")


async def recheck_before_send(dead_members: tuple[str, ...]) -> None:
    """Look once more before a person's wish to take a member away is sent, while these members are dead."""
    driver = make_troubled_driver()
    world = driver.environment
    for name in dead_members:
        world.plant.inject_fault(FaultKind.DEAD_NODE, name)
    committee = await world.loops["charter"].charter.fetch_committee()
    down = Action(type=ActionType.SCALE_DOWN, parameters={"replicas": committee.replicas - 1})
    wish = make_plan(actions=(down,), generation=committee.generation, requested_by="ada")
    request = ApplyRequest(plan_id=wish.plan_id, step=0, generation=committee.generation)
    await ExecuteActivities(world.dependencies).recheck_quorum(wish, request)


def test_a_persons_wish_does_not_cost_the_quorum() -> None:
    """A person overrules what protects the loop from itself; the committee's majority is not theirs to spend."""
    with pytest.raises(Stale, match="quorum"):
        run_in_virtual_time(recheck_before_send(("validator-2", "validator-3")))
