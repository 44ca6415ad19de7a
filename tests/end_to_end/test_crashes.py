"""The worker is killed with SIGKILL in every step of a cycle and of a remediation: nothing is done twice or half."""

from collections import Counter

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from tests.end_to_end.crash_steps import AtCharter, AtStore, ChildStart, Sent, Step, gone_on
from tests.support.stack import Remedy, World

pytestmark = pytest.mark.stack

CYCLE, REMEDIATION = "MapekCycle", "Remediation"
KEPT = ("fixed", "improved", "no_effect")

MONITOR = AtCharter("monitor", CYCLE, "monitor", route="/api/v1/violations")
ANALYZE = AtCharter("analyze", CYCLE, "analyze", route="/api/v1/policies")
PLAN = AtStore("plan", CYCLE, "plan", after="analyze", passes=True)
CHILD_START = ChildStart("child start", REMEDIATION)
SETTLE = Step("settle", REMEDIATION, event=EventType.EVENT_TYPE_TIMER_STARTED)
PREPARE = AtCharter("prepare", REMEDIATION, "prepare", route="/api/v1/policies")
UNEXECUTED = Sent("apply, sent but not executed", REMEDIATION, "apply", mode="hang", route="/api/v1/policies/apply")
LATE = Sent("apply, sent and executed late", REMEDIATION, "apply", route="/api/v1/policies/apply", delay=8.0)
UNHEARD = Sent(
    "apply, reply lost", REMEDIATION, "apply", mode="reply-lost", route="/api/v1/committee/scale", executed=True
)
VERIFY = Step("verify", REMEDIATION, "verify")
RECORD = AtStore("record", REMEDIATION, "record", after="verify")
COOL_DOWN = Step("cool-down", REMEDIATION, event=EventType.EVENT_TYPE_TIMER_STARTED)
UNDO = AtCharter("undo", REMEDIATION, "undo", route="/api/v1/committee/scale", delay=2.5)

OVERLOAD, FEW = ("overload", "policy-engine"), ("few-validators", "validator-2")

CRASHES = [
    (OVERLOAD, (PLAN, MONITOR, ANALYZE, PREPARE)),
    (OVERLOAD, (CHILD_START, UNEXECUTED, RECORD, COOL_DOWN)),
    (OVERLOAD, (SETTLE, LATE)),
    (FEW, (UNHEARD, VERIFY)),
]


@pytest.mark.parametrize(
    ("fault", "steps"), CRASHES, ids=[" then ".join(step.name for step in steps) for _, steps in CRASHES]
)
async def test_killed_and_healed(world: World, fault: tuple[str, str], steps: tuple[Step, ...]) -> None:
    """The incident is healed all the same: one effect at Charter, verified and recorded once, resumed in time."""
    since = await world.strike(*fault)
    await killed_in_each(world, since, steps)
    remedy = await settled(world, since)
    assert (await remedy.ended()).outcome in KEPT
    assert await world.effects(remedy.plan) == ["applied"]


async def test_killed_and_rolled_back(world: World) -> None:
    """A rollback is finished once and verified, whoever began it, and the committee has its size again."""
    replicas = await world.replicas()
    since = await world.strike_in_full("remedy-worsens", "validator-1")
    await killed_in_each(world, since, (UNDO, VERIFY))
    remedy = await settled(world, since)
    assert (await remedy.ended()).outcome == "rolled_back"
    assert await world.effects(remedy.plan) == ["applied", "rolled_back"]
    assert await world.replicas() == replicas


async def killed_in_each(world: World, since: float, steps: tuple[Step, ...]) -> None:
    """Kill the worker in each step, and start it again in the hold of the next one."""
    place = None
    for step in steps:
        async with step.held(world):
            if place:
                await world.stack.start_part("worker")
                await gone_on(world, place)
            place = await step.killed_in(world, since)
    assert place
    await world.stack.start_part("worker")
    await gone_on(world, place)


async def settled(world: World, since: float) -> Remedy:
    """Return the incident's remediation once it has ended, after what must hold whatever was killed."""
    remedy = await world.remedy(since)
    await remedy.ended()
    await world.heal()
    assert (await remedy.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    outcome = await world.store.outcomes.of_plan(remedy.plan.plan_id)
    endings = [row for row in await world.store.audit.of_plan(remedy.plan.plan_id) if row.kind == "ending"]
    assert outcome is not None
    assert len(endings) == 1
    keys = Counter(row["key"] for row in await world.ledger(since))
    assert set(keys.values()) <= {1}, "the same key had an effect more than once"
    cycles = await world.runs('WorkflowType="MapekCycle" AND ExecutionStatus IN ("Failed", "TimedOut")', since)
    assert cycles == []
    return remedy
