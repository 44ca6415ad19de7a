"""Failing remote servers: no change on doubtful data, missing data is never healthy, reasons are reported."""

import sqlite3
import time
from contextlib import closing

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

from activities.model.audit import AuditEntry
from activities.model.mode import LoopMode
from deploy.devstack.ports import LOOPBACK
from tests.end_to_end.mapek_command import run_mapek
from tests.end_to_end.stack_overrides import fixed_prometheus_reply, invalid_charter_token, stopped_service
from tests.support.stack import HEALTHY_TIMEOUT_SECONDS, FinishedCycle, StackHarness, StartedRemediation
from tests.support.waiting import wait_until

pytestmark = pytest.mark.stack

FAULT = ("overload", "policy-engine")
CYCLES = 2
BLIND_TIMEOUT_SECONDS = 30.0
MIN_ATTEMPTS = 4
"""One apply and three retries (execute.max_retries)."""

EMPTY_REPLY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
BAD_REPLIES = {
    "503": (503, b"overloaded", None, "503"),
    "not JSON": (200, b"<html>It works!</html>", None, "JSON"),
    "cut off": (200, EMPTY_REPLY[:-9], len(EMPTY_REPLY), "RemoteProtocolError"),
    "an error": (200, b'{"status":"error","errorType":"internal","error":"broken"}', None, "broken"),
    "nothing": (200, EMPTY_REPLY, None, "missing"),
}
EXPECTED_BY_MISBEHAVIOUR = {
    "error-500": "500",
    "rate-limit": "429",
    "unavailable": "503",
    "garbage": "JSON",
    "hang": "Timeout",
}


async def wait_for_blind_cycles(harness: StackHarness, since: float) -> list[FinishedCycle]:
    """Return blind cycles during a fault, without any remediation."""
    first = await harness.wait_for_cycle(["blind"], since, BLIND_TIMEOUT_SECONDS)
    cycles = await harness.wait_for_cycles(CYCLES, first.started_at, BLIND_TIMEOUT_SECONDS)
    assert {cycle.result.outcome for cycle in cycles} == {"blind"}
    assert await harness.list_remediations(since) == []
    return cycles


def check_reasons(blind_cycles: dict[str, tuple[list[FinishedCycle], str]]) -> None:
    """Check that the headline of every blind cycle has the response of the server."""
    for name, (cycles, reason) in blind_cycles.items():
        assert all(reason in cycle.result.headline for cycle in cycles), (name, cycles)


async def test_failing_charter_makes_cycles_blind(harness: StackHarness) -> None:
    """With each API fault cycles are blind with its reason, and change nothing."""
    blind_cycles = {}
    await harness.set_api_fault("unavailable")
    since = await harness.inject_fault(*FAULT)
    for mode, reason in EXPECTED_BY_MISBEHAVIOUR.items():
        await harness.set_api_fault(mode)
        blind_cycles[mode] = (await wait_for_blind_cycles(harness, time.time()), reason)
    async with invalid_charter_token(harness):
        await harness.set_api_fault("normal")
        blind_cycles["wrong token"] = (await wait_for_blind_cycles(harness, time.time()), "401")
        assert await harness.fetch_ledger(since) == []
    check_reasons(blind_cycles)


async def test_stopped_charter_makes_cycles_blind(harness: StackHarness) -> None:
    """Without Charter cycles are blind and change nothing."""
    since = time.time()
    async with stopped_service(harness, "charter"):
        cycles = await wait_for_blind_cycles(harness, since)
    assert all("charter" in cycle.result.headline for cycle in cycles)


async def test_failing_prometheus_makes_cycles_blind(harness: StackHarness) -> None:
    """With a stopped, failing, invalid or empty Prometheus cycles are blind with the reason, and change nothing."""
    since = await harness.inject_fault(*FAULT)
    async with stopped_service(harness, "prometheus"):
        blind_cycles = {"away": (await wait_for_blind_cycles(harness, time.time()), "ConnectError")}
        for name, (status, body, length, reason) in BAD_REPLIES.items():
            async with fixed_prometheus_reply(harness, status, body, length):
                blind_cycles[name] = (await wait_for_blind_cycles(harness, time.time()), reason)
        await harness.clear_faults()
    check_reasons(blind_cycles)
    assert await harness.fetch_ledger(since) == []


async def test_failed_apply_is_retried_three_times(harness: StackHarness) -> None:
    """An apply that fails four times in different ways ends as failed, without effect."""
    route = "/api/v1/policies/apply"
    modes = ["error-500", "rate-limit", "garbage", "hang"]
    await harness.set_api_fault(modes[0], route)
    since = await harness.inject_fault(*FAULT)
    remedy = await harness.wait_for_remediation(since)
    for answered_count, mode in enumerate(modes[1:], start=1):
        await wait_for_failed_attempts(harness, remedy, answered_count)
        await harness.set_api_fault(mode, route)
    await harness.set_mode(LoopMode.OBSERVE)  # the running remediation continues, and no other one starts
    result = await remedy.wait_for_result()
    rows = await list_attempts(harness, remedy)
    assert [row.attempt for row in rows if row.phase == "before"] == list(range(1, MIN_ATTEMPTS + 1))
    assert [row.status for row in rows if row.phase == "after"] == [500, 429, None, None]
    assert all("no response: " in row.summary for row in rows if row.phase == "after")
    assert result.outcome == "failed"
    assert "could not be applied" in result.headline
    assert await harness.list_effects(remedy.plan) == []


async def test_locked_store_blocks_plans(harness: StackHarness) -> None:
    """With a locked store cycles continue: blocked during a fault, healthy without one."""
    with closing(sqlite3.connect(harness.store_file, isolation_level=None, timeout=5.0)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        since = await harness.inject_fault(*FAULT)
        blocked = await harness.wait_for_cycle(["blocked"], since, BLIND_TIMEOUT_SECONDS)
        assert blocked.result.headline.startswith("blocked: store: ")
        await harness.clear_faults()
        await harness.wait_for_cycle(["healthy"], time.time(), HEALTHY_TIMEOUT_SECONDS)
        assert await harness.list_remediations(since) == []


async def test_worker_needs_search_attributes(harness: StackHarness) -> None:
    """Without search attributes the worker exits with 2 and names the command that registers them."""
    name = f"bare-{time.time():.0f}"
    request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86400))
    await harness.client.workflow_service.register_namespace(request)
    result = await run_mapek(harness, "worker", "--temporal-namespace", name)
    assert result.exit_code == 2
    assert "search attributes are not registered" in result.stderr
    assert "`mapek bootstrap`" in result.stderr


async def test_worker_needs_the_declared_simulator(harness: StackHarness) -> None:
    """With a declared but absent simulator the worker exits with 2 and names the fix."""
    result = await run_mapek(harness, "worker", "--charter", f"http://{LOOPBACK}:9")
    assert result.exit_code == 2
    assert f"staging.use_mock_charter is true, but no Charter answers at http://{LOOPBACK}:9" in result.stderr
    assert "start one with `make run`" in result.stderr


async def list_attempts(harness: StackHarness, remediation: StartedRemediation) -> list[AuditEntry]:
    """Return the audited attempts of the plan's step."""
    rows = await harness.store.audit.load_for_plan(remediation.plan.plan_id)
    return [row for row in rows if row.kind == "attempt" and row.direction == "do"]


async def wait_for_failed_attempts(harness: StackHarness, remediation: StartedRemediation, number: int) -> None:
    """Wait for a number of failed attempts."""

    async def have_failed() -> bool:
        return sum(row.phase == "after" for row in await list_attempts(harness, remediation)) >= number

    await wait_until(f"{number} failed attempts", have_failed, 40.0, interval=0.05)
