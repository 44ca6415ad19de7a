"""The worker is killed with SIGKILL in every step; no change is applied twice or left half applied."""

from collections import Counter

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus

from tests.end_to_end.crash_steps import (
    CharterStep,
    ChildStartStep,
    CrashStep,
    SentApplyStep,
    StoreStep,
    wait_until_resumed,
)
from tests.support.stack import StackHarness, StartedRemediation

pytestmark = pytest.mark.stack

CYCLE, REMEDIATION = "MapekCycle", "MapekRemediation"
KEPT_OUTCOMES = ("fixed", "improved", "no_effect")

MONITOR = CharterStep("monitor", CYCLE, "monitor", route="/api/v1/violations")
ANALYZE = CharterStep("analyze", CYCLE, "analyze", route="/api/v1/policies")
PLAN = StoreStep("plan", CYCLE, "plan", after="analyze", lets_one_write=True)
CHILD_START = ChildStartStep("child start", REMEDIATION)
SETTLE = CrashStep("settle", REMEDIATION, event=EventType.EVENT_TYPE_TIMER_STARTED)
PREPARE = CharterStep("prepare", REMEDIATION, "prepare", route="/api/v1/policies")
APPLY_NOT_EXECUTED = SentApplyStep(
    "apply, sent but not executed", REMEDIATION, "apply", mode="hang", route="/api/v1/policies/apply"
)
APPLY_EXECUTED_LATE = SentApplyStep(
    "apply, sent and executed late", REMEDIATION, "apply", route="/api/v1/policies/apply", delay=8.0
)
APPLY_REPLY_LOST = SentApplyStep(
    "apply, reply lost", REMEDIATION, "apply", mode="reply-lost", route="/api/v1/committee/scale", is_executed=True
)
VERIFY = CrashStep("verify", REMEDIATION, "verify")
RECORD = StoreStep("record", REMEDIATION, "record", after="verify")
COOL_DOWN = CrashStep("cool-down", REMEDIATION, event=EventType.EVENT_TYPE_TIMER_STARTED)
UNDO = CharterStep("undo", REMEDIATION, "undo", route="/api/v1/committee/scale", delay=2.5)

OVERLOAD, FEW_VALIDATORS = ("overload", "policy-engine"), ("few-validators", "validator-2")

CRASHES = [
    (OVERLOAD, (PLAN, MONITOR, ANALYZE, PREPARE)),
    (OVERLOAD, (CHILD_START, APPLY_NOT_EXECUTED, RECORD, COOL_DOWN)),
    (OVERLOAD, (SETTLE, APPLY_EXECUTED_LATE)),
    (FEW_VALIDATORS, (APPLY_REPLY_LOST, VERIFY)),
]


@pytest.mark.parametrize(
    ("fault", "steps"), CRASHES, ids=[" then ".join(step.name for step in steps) for _, steps in CRASHES]
)
async def test_incident_is_healed_after_kills(
    harness: StackHarness, fault: tuple[str, str], steps: tuple[CrashStep, ...]
) -> None:
    """The incident is healed with one effect at Charter, verified and recorded once, and resumed in time."""
    since = await harness.inject_fault(*fault)
    await kill_worker_in_each(harness, since, steps)
    remedy = await wait_for_outcome(harness, since)
    assert (await remedy.wait_for_result()).outcome in KEPT_OUTCOMES
    assert await harness.list_effects(remedy.plan) == ["applied"]


async def test_rollback_is_completed_after_kills(harness: StackHarness) -> None:
    """Another worker completes the rollback once and verifies it; the committee has its previous size."""
    replicas = await harness.fetch_replicas()
    since = await harness.inject_fault_fully("remedy-worsens", "validator-1")
    await kill_worker_in_each(harness, since, (UNDO, VERIFY))
    remedy = await wait_for_outcome(harness, since)
    assert (await remedy.wait_for_result()).outcome == "rolled_back"
    assert await harness.list_effects(remedy.plan) == ["applied", "rolled_back"]
    assert await harness.fetch_replicas() == replicas


async def kill_worker_in_each(harness: StackHarness, since: float, steps: tuple[CrashStep, ...]) -> None:
    """Kill the worker in each step and restart it while the next step is held."""
    crash_point = None
    for step in steps:
        async with step.hold(harness):
            if crash_point:
                await harness.stack.start_service("worker")
                await wait_until_resumed(harness, crash_point)
            crash_point = await step.kill_worker_in(harness, since)
    assert crash_point
    await harness.stack.start_service("worker")
    await wait_until_resumed(harness, crash_point)


async def wait_for_outcome(harness: StackHarness, since: float) -> StartedRemediation:
    """Return the ended remediation after the checks that hold for every kill."""
    remedy = await harness.wait_for_remediation(since)
    await remedy.wait_for_result()
    await harness.clear_faults()
    assert (await remedy.handle.describe()).status is WorkflowExecutionStatus.COMPLETED
    outcome = await harness.store.outcomes.load_for_plan(remedy.plan.plan_id)
    endings = [row for row in await harness.store.audit.load_for_plan(remedy.plan.plan_id) if row.kind == "ending"]
    assert outcome is not None
    assert len(endings) == 1
    keys = Counter(row["key"] for row in await harness.fetch_ledger(since))
    assert set(keys.values()) <= {1}, "the same key had an effect more than once"
    cycles = await harness.list_workflows(
        'WorkflowType="MapekCycle" AND ExecutionStatus IN ("Failed", "TimedOut")', since
    )
    assert cycles == []
    return remedy
