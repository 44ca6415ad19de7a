"""What a person decides, through the real command: approve, reject, pause, resume, and cycles now."""

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
"""Seconds: a day, the hour of grace, and some more."""
APPROVAL_SETTINGS = {"plan": {"approval": {"from_risk": "low"}}}
SHORT_APPROVAL_SETTINGS = {"plan": {"approval": {"from_risk": "low", "deadline_seconds": 2}}}


@pytest_asyncio.fixture(scope="module")
async def approval_harness(shared_harness: StackHarness) -> AsyncIterator[StackHarness]:
    """The stack with a worker that asks a person before it does anything."""
    async with worker_settings(shared_harness, APPROVAL_SETTINGS):
        yield shared_harness


async def start_waiting_remediation(harness: StackHarness, component: str) -> StartedRemediation:
    """Let load come over a component, and return the remediation that waits for approval, with nothing done."""
    since = await harness.inject_fault("overload", component)
    remedy = await harness.wait_for_remediation(since)
    await remedy.wait_for_phase(AWAITING_APPROVAL)
    assert await harness.fetch_ledger(since) == []
    return remedy


async def check_outcome_shown(
    harness: StackHarness, remediation: StartedRemediation, outcome: str, *lines: str
) -> None:
    """Check that how it ended is found in the Temporal UI, by outcome and plan, and told by `mapek explain`."""
    found = (await remediation.handle.describe()).typed_search_attributes
    wanted = (outcome, "done", remediation.plan.plan_id, remediation.plan.knob)
    assert (
        tuple(
            found.get(key)
            for key in (
                search_attributes.OUTCOME,
                search_attributes.PHASE,
                search_attributes.PLAN,
                search_attributes.KNOB,
            )
        )
        == wanted
    )
    said = await run_mapek(harness, "explain", remediation.plan.plan_id)
    assert said.exit_code == 0, said.stderr
    for line in (f"Verdict: {outcome} (", *lines):
        assert line in said.stdout


async def test_observe_act_and_reject(approval_harness: StackHarness, harness: StackHarness) -> None:
    """`mapek pause` lets the loop explain and never act, `mapek resume` lets it act; what is rejected is not done."""
    assert (await run_mapek(harness, "pause", LOOP_NAME, "--reason", "a drill")).exit_code == 0
    since = await harness.inject_fault("overload", "gateway")
    first = await harness.wait_for_cycle(["observed"], since, 20.0)
    seen = await harness.wait_for_cycles(OBSERVED_CYCLES, first.started_at, 20.0)
    assert {cycle.result.outcome for cycle in seen} == {"observed"}
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


async def test_approved(approval_harness: StackHarness, harness: StackHarness) -> None:
    """A plan that needs approval waits for `mapek approve`, is then applied and verified; a second answer is a no."""
    remedy = await start_waiting_remediation(harness, "policy-engine")
    said = await run_mapek(harness, "approve", remedy.plan.plan_id, "--actor", "ada", "--reason", "looks right")
    assert (said.exit_code, said.stdout.strip()) == (0, f"plan {remedy.plan.plan_id} approved by ada")
    assert (await run_mapek(harness, "approve", remedy.plan.plan_id, "--actor", "bob")).exit_code == 1
    result = await remedy.wait_for_result()
    assert result.outcome in ("fixed", "improved")
    assert await harness.list_effects(remedy.plan) == ["applied"]
    await check_outcome_shown(harness, remedy, result.outcome, "ada: approved: looks right")


async def test_stale_after_approval(approval_harness: StackHarness, harness: StackHarness) -> None:
    """A plan whose knob somebody else moved while it waited is not applied, although it is approved."""
    remedy = await start_waiting_remediation(harness, "audit-log")
    await apply_foreign_change(harness, remedy.plan)
    assert (await run_mapek(harness, "approve", remedy.plan.plan_id, "--actor", "ada")).exit_code == 0
    result = await remedy.wait_for_result()
    assert result.outcome == "stale"
    assert "moved from generation" in result.headline
    assert await harness.list_effects(remedy.plan) == []
    await check_outcome_shown(harness, remedy, "stale", "moved from generation")


async def test_stale_after_a_day(approval_harness: StackHarness, harness: StackHarness) -> None:
    """A plan that was decided longer ago than a decision holds is not applied, although it is approved at last."""
    remedy = await start_waiting_remediation(harness, "gateway")
    with closing(sqlite3.connect(harness.store_file, timeout=5.0)) as store, store:
        # The clock moves for the plan alone: all servers go on, and the deadline's timer has not run out.
        moved = "UPDATE plans SET body = json_set(body, '$.created_at', ?) WHERE plan_id = ?"
        store.execute(moved, (remedy.plan.created_at - DAY_SECONDS, remedy.plan.plan_id))
    assert (await run_mapek(harness, "approve", remedy.plan.plan_id, "--actor", "ada")).exit_code == 0
    result = await remedy.wait_for_result()
    assert result.outcome == "stale"
    assert "a plan is valid for 90001 s" in result.headline
    assert await harness.list_effects(remedy.plan) == []
    await check_outcome_shown(harness, remedy, "stale", "ada: approved")


async def test_superseded(approval_harness: StackHarness, harness: StackHarness) -> None:
    """While a plan waits, one of lower risk for the same knob takes its place, as soon as the loop would choose it."""
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


async def test_expired(approval_harness: StackHarness, harness: StackHarness) -> None:
    """Silence until the deadline is a no."""
    async with worker_settings(harness, SHORT_APPROVAL_SETTINGS):
        remedy = await start_waiting_remediation(harness, "validator-1")
        result = await remedy.wait_for_result()
        assert (result.outcome, result.applied) == ("expired", ())
        await check_outcome_shown(harness, remedy, "expired", "no decision within 2 s")
        await harness.clear_faults()


async def test_cycle_by_command(harness: StackHarness) -> None:
    """`mapek run --wait` tells the result; the same key is the same cycle, whoever asks and however often."""
    said = await run_mapek(harness, "run", LOOP_NAME, "--wait", "--reason", "a drill")
    assert said.exit_code == 0, said.stderr
    assert said.stdout.splitlines()[1].startswith("healthy: ")
    key = f"drill-{time.time():.0f}"
    asked = [await run_mapek(harness, "run", LOOP_NAME, "--key", key) for _ in range(2)]
    assert [one.stdout.strip() for one in asked] == [f"mapek-cycle:{LOOP_NAME}:manual-{key}"] * 2
    assert len(await harness.list_workflows(f'WorkflowId="mapek-cycle:{LOOP_NAME}:manual-{key}"', 0.0)) == 1


async def test_cycle_by_signal(harness: StackHarness) -> None:
    """`mapek run --detach` only hands the wish over, and the cycle of that key runs."""
    since, key = time.time(), f"signal-{time.time():.0f}"
    assert (await run_mapek(harness, "run", LOOP_NAME, "--detach", "--key", key)).exit_code == 0

    async def look() -> list[str]:
        return [
            cycle.id
            for cycle in await harness.list_cycles(since)
            if cycle.id == f"mapek-cycle:{LOOP_NAME}:manual-{key}"
        ]

    assert len(await wait_until("the cycle of that key", look, 20.0)) == 1
