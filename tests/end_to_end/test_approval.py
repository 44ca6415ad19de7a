"""Operators' decisions with the `mapek` command: approve, reject, pause, resume, and manual cycles."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import pytest_asyncio

from tests.end_to_end.mapek_command import run_mapek
from tests.end_to_end.stack_overrides import apply_foreign_change, worker_settings
from tests.support.stack import LOOP_NAME, StackHarness, StartedRemediation
from tests.support.waiting import wait_until
from workflows import search_attributes

pytestmark = pytest.mark.stack

AWAITING_APPROVAL = "awaiting-approval"
OBSERVED_CYCLES = 3
DAY_SECONDS = 100_000.0
"""More than a day and the hour after it."""
APPROVAL_SETTINGS = {"plan": {"approval": {"from_risk": "low"}}}
SHORT_APPROVAL_SETTINGS = {"plan": {"approval": {"from_risk": "low", "deadline_seconds": 2}}}


@pytest_asyncio.fixture(scope="module")
async def approval_harness(shared_harness: StackHarness) -> AsyncIterator[StackHarness]:
    """Yield the stack with a worker that needs approval for every plan."""
    async with worker_settings(shared_harness, APPROVAL_SETTINGS):
        yield shared_harness


async def start_waiting_remediation(harness: StackHarness, component: str) -> StartedRemediation:
    """Overload a component and return the remediation that waits for approval without any effect."""
    since = await harness.inject_fault("overload", component)
    remedy = await harness.wait_for_remediation(since)
    await remedy.wait_for_phase(AWAITING_APPROVAL)
    assert await harness.fetch_ledger(since) == []
    return remedy


async def check_outcome_shown(
    harness: StackHarness, remediation: StartedRemediation, outcome: str, *lines: str
) -> None:
    """Check the outcome in the search attributes and in `mapek explain`."""
    attributes = (await remediation.handle.describe()).typed_search_attributes
    expected = (outcome, "done", remediation.plan.plan_id, remediation.plan.knob)
    assert (
        tuple(
            attributes.get(key)
            for key in (
                search_attributes.OUTCOME,
                search_attributes.PHASE,
                search_attributes.PLAN,
                search_attributes.KNOB,
            )
        )
        == expected
    )
    result = await run_mapek(harness, "explain", remediation.plan.plan_id)
    assert result.exit_code == 0, result.stderr
    for line in (f"Verdict: {outcome} (", *lines):
        assert line in result.stdout


async def test_paused_loop_observes_and_rejected_plan_is_not_applied(
    approval_harness: StackHarness, harness: StackHarness
) -> None:
    """After `mapek pause` the loop only explains; after `mapek resume` it plans; a rejected plan has no effect."""
    assert (await run_mapek(harness, "pause", LOOP_NAME, "--reason", "a drill")).exit_code == 0
    since = await harness.inject_fault("overload", "gateway")
    first = await harness.wait_for_cycle(["observed"], since, 20.0)
    cycles = await harness.wait_for_cycles(OBSERVED_CYCLES, first.started_at, 20.0)
    assert {cycle.result.outcome for cycle in cycles} == {"observed"}
    assert await harness.list_remediations(since) == []
    assert (await run_mapek(harness, "resume", LOOP_NAME)).exit_code == 0
    remedy = await harness.wait_for_remediation(since)
    await remedy.wait_for_phase(AWAITING_APPROVAL)
    assert (
        await run_mapek(harness, "reject", remedy.plan.plan_id, "--actor", "ada", "--reason", "not now")
    ).exit_code == 0
    result = await remedy.wait_for_result()
    assert (result.outcome, result.headline) == ("rejected", "rejected by ada: not now")
    assert await harness.fetch_ledger(since) == []
    await check_outcome_shown(harness, remedy, "rejected", "ada: rejected: not now")


async def test_approved_plan_is_applied_and_verified(approval_harness: StackHarness, harness: StackHarness) -> None:
    """A plan waits for `mapek approve` and is then applied and verified; a second answer fails."""
    remedy = await start_waiting_remediation(harness, "policy-engine")
    answer = await run_mapek(harness, "approve", remedy.plan.plan_id, "--actor", "ada", "--reason", "looks right")
    assert (answer.exit_code, answer.stdout.strip()) == (0, f"plan {remedy.plan.plan_id} approved by ada")
    assert (await run_mapek(harness, "approve", remedy.plan.plan_id, "--actor", "bob")).exit_code == 1
    result = await remedy.wait_for_result()
    assert result.outcome in ("fixed", "improved")
    assert await harness.list_effects(remedy.plan) == ["applied"]
    await check_outcome_shown(harness, remedy, result.outcome, "ada: approved: looks right")


async def test_approved_plan_is_stale_after_a_foreign_change(
    approval_harness: StackHarness, harness: StackHarness
) -> None:
    """A plan whose knob another writer changed is not applied despite its approval."""
    remedy = await start_waiting_remediation(harness, "audit-log")
    await apply_foreign_change(harness, remedy.plan)
    assert (await run_mapek(harness, "approve", remedy.plan.plan_id, "--actor", "ada")).exit_code == 0
    result = await remedy.wait_for_result()
    assert result.outcome == "stale"
    assert "moved from generation" in result.headline
    assert await harness.list_effects(remedy.plan) == []
    await check_outcome_shown(harness, remedy, "stale", "moved from generation")


async def test_approved_plan_is_stale_after_a_day(approval_harness: StackHarness, harness: StackHarness) -> None:
    """A plan older than its maximum age is not applied despite its approval."""
    remedy = await start_waiting_remediation(harness, "gateway")
    with closing(sqlite3.connect(harness.store_file, timeout=5.0)) as store, store:
        # Only the plan's time changes: the servers' clocks and the deadline's timer do not.
        statement = "UPDATE plans SET body = json_set(body, '$.created_at', ?) WHERE plan_id = ?"
        store.execute(statement, (remedy.plan.created_at - DAY_SECONDS, remedy.plan.plan_id))
    assert (await run_mapek(harness, "approve", remedy.plan.plan_id, "--actor", "ada")).exit_code == 0
    result = await remedy.wait_for_result()
    assert result.outcome == "stale"
    assert "a plan is valid for 90001 s" in result.headline
    assert await harness.list_effects(remedy.plan) == []
    await check_outcome_shown(harness, remedy, "stale", "ada: approved")


async def test_waiting_plan_is_superseded_by_lower_risk(approval_harness: StackHarness, harness: StackHarness) -> None:
    """A plan with lower risk for the same knob supersedes a waiting plan."""
    since = await harness.inject_fault("dead-node", "validator-2")
    await harness.inject_fault("few-validators", "validator-1")
    remedy = await harness.wait_for_remediation(since)
    await remedy.wait_for_phase(AWAITING_APPROVAL)
    assert remedy.plan.risk.rank > 0
    await harness.clear_faults()
    await harness.inject_fault("few-validators", "validator-1")
    result = await remedy.wait_for_result()
    assert (result.outcome, result.applied) == ("superseded", ())
    await check_outcome_shown(harness, remedy, "superseded", "yielded while waiting for approval")
    assert await harness.fetch_ledger(since) == []


async def test_unanswered_plan_expires(approval_harness: StackHarness, harness: StackHarness) -> None:
    """A plan without an answer until its deadline has no effect."""
    async with worker_settings(harness, SHORT_APPROVAL_SETTINGS):
        remedy = await start_waiting_remediation(harness, "validator-1")
        result = await remedy.wait_for_result()
        assert (result.outcome, result.applied) == ("expired", ())
        await check_outcome_shown(harness, remedy, "expired", "no decision within 2 s")
        await harness.clear_faults()


async def test_cycle_by_command_runs_once_per_key(harness: StackHarness) -> None:
    """`mapek run --wait` prints the result; repeated requests with one key are one cycle."""
    result = await run_mapek(harness, "run", LOOP_NAME, "--wait", "--reason", "a drill")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].startswith("healthy: ")
    key = f"drill-{time.time():.0f}"
    results = [await run_mapek(harness, "run", LOOP_NAME, "--key", key) for _ in range(2)]
    assert [result.stdout.strip() for result in results] == [f"mapek-cycle:{LOOP_NAME}:manual-{key}"] * 2
    assert len(await harness.list_workflows(f'WorkflowId="mapek-cycle:{LOOP_NAME}:manual-{key}"', 0.0)) == 1


async def test_detached_cycle_runs(harness: StackHarness) -> None:
    """`mapek run --detach` queues the request, and the cycle with its key runs."""
    since, key = time.time(), f"signal-{time.time():.0f}"
    assert (await run_mapek(harness, "run", LOOP_NAME, "--detach", "--key", key)).exit_code == 0

    async def find_cycles() -> list[str]:
        return [
            cycle.id
            for cycle in await harness.list_cycles(since)
            if cycle.id == f"mapek-cycle:{LOOP_NAME}:manual-{key}"
        ]

    assert len(await wait_until("the cycle with this key", find_cycles, 20.0)) == 1
