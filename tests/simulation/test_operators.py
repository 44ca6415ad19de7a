"""Operators in virtual time: the kill switch in the middle of an apply, and approvals that take days."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from activities.execute.activity import ExecuteActivities
from activities.model.action import MEMBER_EFFECTS, Action, ActionType, MemberEffect
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
    """The outcome of the first plan, the keys of the effects at Charter, and the rules that blocked later cycles."""

    outcome: Outcome
    change_keys: list[str]
    blocking_rules: tuple[str, ...] = ()


def make_troubled_driver(**approval: float | Risk) -> LifeDriver:
    """Return a loop with a permanent fault. `approval` are values of the approval settings."""
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
    """Run periods until a remediation runs, and return its plan."""
    while not driver.operators.list_remediations():
        await driver.run_period()
    argument = driver.operators.list_remediations()[0].argument
    return await driver.environment.store.plans.get(
        argument["plan_id"] if isinstance(argument, dict) else argument.plan_id
    )


async def run_until_outcome(driver: LifeDriver, plan: Plan, periods: int = 60) -> Outcome:
    """Run periods until the plan has an outcome, and return it."""
    for _ in range(periods):
        if outcome := await driver.environment.store.outcomes.load_for_plan(plan.plan_id):
            return outcome
        await driver.run_period()
    raise AssertionError(f"{plan.plan_id} has no outcome after {periods} periods")


def list_change_keys(driver: LifeDriver) -> list[str]:
    """Return the keys of all effects at Charter."""
    return [str(entry.key) for entry in driver.environment.plant.ledger]


async def play_kill_switch_in_apply(fault: str) -> PlanResult:
    """Activate the kill switch when the first change is sent, with `fault` on that request."""
    driver = make_troubled_driver()
    world = driver.environment

    def activate_kill_switch(path: str) -> str:
        if not path.endswith(("apply", "scale", "restart")) or world.kill_switch_reason:
            return ""
        world.kill_switch_reason = KILL_SWITCH_REASON
        return fault

    world.charter.draw_fault = activate_kill_switch
    plan = await run_until_first_plan(driver)
    outcome = await run_until_outcome(driver, plan)
    world.plant.inject_fault(FaultKind.OVERLOAD, "audit-log")
    since = world.now
    for _ in range(6):
        await driver.run_period()
    return PlanResult(outcome, list_change_keys(driver), await list_blocking_rules(driver, since))


async def list_blocking_rules(driver: LifeDriver, since: float) -> tuple[str, ...]:
    """Return the rules that blocked in the cycles started since then."""
    rules: set[str] = set()
    for run in driver.environment.engine.closed:
        if run.type == WorkflowName.CYCLE and run.started_at >= since:
            decision = await driver.environment.store.plans.load_decision(run.workflow_id)
            rules |= {block.rule for block in decision.blocks} if decision else set()
    return tuple(sorted(rules))


@pytest.mark.parametrize(
    ("fault", "outcomes", "effects"),
    [
        ("", {"fixed", "improved"}, ["0-do"]),
        ("reply-lost", {"fixed", "improved"}, ["0-do"]),
        ("hang-then-execute", {"stopped"}, ["0-do", "0-undo"]),
        ("unavailable", {"stopped"}, []),
    ],
)
def test_the_kill_switch_in_the_middle_of_an_apply(fault: str, outcomes: set[str], effects: list[str]) -> None:
    """Effects are verified or undone, a request without effect is not sent again, and no remediation starts."""
    with fast_simulation():
        result = run_in_virtual_time(play_kill_switch_in_apply(fault))
    assert result.outcome.outcome in outcomes, result.outcome.headline
    assert [key.partition("-")[2] for key in result.change_keys] == effects
    # A more severe rule is named first. A stopped rung may be used again after its cool-down.
    assert set(result.blocking_rules) <= {"kill-switch", "storm", "cool-down", "unsettled"}
    assert result.blocking_rules
    if "stopped" in outcomes:
        assert KILL_SWITCH_REASON in result.outcome.headline


async def play_approval_wait(
    respond: Callable[[LifeDriver, Plan], None], deadline: float = 3 * DAY_SECONDS
) -> PlanResult:
    """Let a plan wait one day for approval, call `respond`, and return the result."""
    driver = make_troubled_driver(from_risk=Risk.LOW, deadline_seconds=deadline)
    plan = await run_until_first_plan(driver)
    await driver.run_period()
    await skip_time(driver, DAY_SECONDS)
    for _ in range(3):
        await driver.run_period()
    respond(driver, plan)
    return PlanResult(await run_until_outcome(driver, plan), list_change_keys(driver))


async def skip_time(driver: LifeDriver, seconds: float) -> None:
    """Let time pass without cycles and without changes of the plant."""
    driver.environment.plant.skip_time(seconds)
    driver.skipped_seconds += seconds
    await asyncio.sleep(seconds)


def make_decision(approve: bool) -> Callable[[LifeDriver, Plan], None]:
    """Return a function that approves or rejects a plan."""

    def act(driver: LifeDriver, plan: Plan) -> None:
        approval = Approval(plan=plan.plan_id, approve=approve, actor="ada", reason="slept on it")
        driver.environment.engine.update(plan.workflow_id, "decide", approval)

    return act


def do_nothing(driver: LifeDriver, plan: Plan) -> None:
    """Give no answer."""
    del driver, plan


def clear_fault(driver: LifeDriver, plan: Plan) -> None:
    """Clear the faults."""
    del plan
    driver.environment.plant.clear_faults()
    driver.environment.charter.cache.clear()


@pytest.mark.parametrize(
    ("respond", "deadline", "outcome", "headline"),
    [
        (make_decision(True), 3 * DAY_SECONDS, "fixed", "violated pairs"),
        (make_decision(False), 3 * DAY_SECONDS, "rejected", "rejected by ada: slept on it"),
        (do_nothing, DAY_SECONDS, "expired", "no decision within 86400 s"),
        (clear_fault, 3 * DAY_SECONDS, "recovered", "its violations are gone"),
    ],
)
def test_a_plan_that_waits_for_a_day(
    respond: Callable[[LifeDriver, Plan], None], deadline: float, outcome: str, headline: str
) -> None:
    """After a day only an approval applies the plan; a rejection, no answer or a recovery does not."""
    with fast_simulation():
        result = run_in_virtual_time(play_approval_wait(respond, deadline))
    assert result.outcome.outcome == outcome, result.outcome.headline
    assert headline in result.outcome.headline
    assert bool(result.change_keys) is (outcome == "fixed")


async def play_approval_without_worker() -> PlanResult:
    """Approve a plan while no worker runs for four days."""
    driver = make_troubled_driver(from_risk=Risk.LOW, deadline_seconds=DAY_SECONDS)
    plan = await run_until_first_plan(driver)
    await driver.run_period()
    driver.environment.worker_up_at = driver.environment.now + 4 * DAY_SECONDS
    make_decision(True)(driver, plan)
    await skip_time(driver, 4 * DAY_SECONDS)
    return PlanResult(await run_until_outcome(driver, plan), list_change_keys(driver))


def test_an_approval_that_arrives_days_too_late() -> None:
    """A plan older than its validity is stale, also with an approval."""
    with fast_simulation():
        result = run_in_virtual_time(play_approval_without_worker())
    assert result.outcome.outcome == "stale", result.outcome.headline
    assert "s ago, a plan is valid for 90015 s" in result.outcome.headline
    assert result.change_keys == []


async def play_late_change_during_approval() -> tuple[list[str], set[str]]:
    """Delay an approved change while its plan, refused and built again, waits for approval.

    Return the keys of the effects, and the phases of the remediations meanwhile.
    """
    driver = make_troubled_driver(from_risk=Risk.LOW)
    world, delays = driver.environment, [DELIVERED_LATE]
    world.charter.draw_fault = lambda path: delays.pop() if delays and path.endswith(("apply", "scale")) else ""
    plan = await run_until_first_plan(driver)
    while delays:
        await driver.run_period()
        make_decision(True)(driver, plan)
        await asyncio.sleep(1.0)
    await quarantine_knob(world.store, plan.knob, "a test", world.now)
    await driver.run_period()
    await world.store.guards.release("charter", plan.knob, "ada", "a test", world.now)
    phases: set[str] = set()
    for _ in range(14):
        await driver.run_period()
        phases |= {run.attributes[SearchAttribute.PHASE] for run in driver.operators.list_remediations()}
    return list_change_keys(driver), phases


def test_a_late_change_is_undone_while_a_plan_awaits_approval(monkeypatch: pytest.MonkeyPatch) -> None:
    """Upkeep undoes a late effect on a knob whose next plan awaits approval."""
    monkeypatch.setattr(charter_api, "LATE_DELIVERY_SECONDS", 20.0)
    with fast_simulation():
        (applied, undone, *_), phases = run_in_virtual_time(play_late_change_during_approval())
    assert "awaiting-approval" in phases
    assert undone == applied.replace("-do", "-undo")


async def recheck_before_send(kind: ActionType, dead_members: tuple[str, ...]) -> str:
    """Check an operator's plan of this type just before it is sent, while these members are dead.

    Returns:
        Why it is refused, empty if it is not.
    """
    driver = make_troubled_driver()
    world = driver.environment
    for name in dead_members:
        world.plant.inject_fault(FaultKind.DEAD_NODE, name)
    committee = await world.loops["charter"].charter.fetch_committee()
    parameters = {
        MemberEffect.RESIZES: {"replicas": committee.replicas - 1},
        MemberEffect.INTERRUPTS: {"member": "validator-1"},
        MemberEffect.NONE: {},
    }[MEMBER_EFFECTS[kind]]
    action = Action(type=kind, component="validator-1", parameters=parameters)
    plan = make_plan(knob=action.knob, actions=(action,), generation=committee.generation, requested_by="ada")
    request = ApplyRequest(plan_id=plan.plan_id, step=0, generation=committee.generation)
    try:
        await ExecuteActivities(world.dependencies).recheck_quorum(plan, request)
    except Stale as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", ActionType)
def test_no_operators_plan_breaks_the_quorum(kind: ActionType) -> None:
    """The quorum is checked just before each operator's plan of a type that takes a member out of service."""
    reason = run_in_virtual_time(recheck_before_send(kind, ("validator-2", "validator-3")))
    assert reason.startswith("quorum") is (MEMBER_EFFECTS[kind] is not MemberEffect.NONE), reason


def test_a_policy_that_takes_a_member_out_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One row of the table is enough: also for an action without a committee route."""
    monkeypatch.setitem(MEMBER_EFFECTS, ActionType.UPDATE_CONFIGURATION, MemberEffect.INTERRUPTS)
    dead_members = ("validator-2", "validator-3")
    assert run_in_virtual_time(recheck_before_send(ActionType.UPDATE_CONFIGURATION, dead_members)).startswith("quorum")
