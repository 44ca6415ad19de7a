"""Remotes that fail in every way: nothing is done on doubtful data, silence is never health, and the reason is told."""

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
"""An apply is tried once and again three times (execute.max_retries)."""

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
    """Return cycles that are all blind while there is trouble, and in which nothing was done about it."""
    first = await harness.wait_for_cycle(["blind"], since, BLIND_TIMEOUT_SECONDS)
    cycles = await harness.wait_for_cycles(CYCLES, first.started_at, BLIND_TIMEOUT_SECONDS)
    assert {cycle.result.outcome for cycle in cycles} == {"blind"}
    assert await harness.list_remediations(since) == []
    return cycles


def check_reasons(blind_cycles: dict[str, tuple[list[FinishedCycle], str]]) -> None:
    """Check that the headline of every blind cycle says what the remote answered."""
    for name, (cycles, reason) in blind_cycles.items():
        assert all(reason in cycle.result.headline for cycle in cycles), (name, cycles)


async def test_charter_that_cannot_be_read(harness: StackHarness) -> None:
    """Charter failing in every way: trouble is neither remedied nor called health, and each reason is told."""
    told = {}
    await harness.set_api_fault("unavailable")
    since = await harness.inject_fault(*FAULT)
    for mode, reason in EXPECTED_BY_MISBEHAVIOUR.items():
        await harness.set_api_fault(mode)
        told[mode] = (await wait_for_blind_cycles(harness, time.time()), reason)
    async with invalid_charter_token(harness):
        await harness.set_api_fault("normal")
        told["wrong token"] = (await wait_for_blind_cycles(harness, time.time()), "401")
        assert await harness.fetch_ledger(since) == []
    check_reasons(told)


async def test_charter_away(harness: StackHarness) -> None:
    """A Charter that is away is neither healthy nor remedied."""
    since = time.time()
    async with stopped_service(harness, "charter"):
        cycles = await wait_for_blind_cycles(harness, since)
    assert all("charter" in cycle.result.headline for cycle in cycles)


async def test_prometheus_that_cannot_be_believed(harness: StackHarness) -> None:
    """Prometheus away, failing, talking rubbish or knowing nothing: blind each time, with the reason, and no action."""
    since = await harness.inject_fault(*FAULT)
    async with stopped_service(harness, "prometheus"):
        told = {"away": (await wait_for_blind_cycles(harness, time.time()), "ConnectError")}
        for name, (status, body, length, reason) in BAD_REPLIES.items():
            async with fixed_prometheus_reply(harness, status, body, length):
                told[name] = (await wait_for_blind_cycles(harness, time.time()), reason)
        await harness.clear_faults()
    check_reasons(told)
    assert await harness.fetch_ledger(since) == []


async def test_apply_that_never_gets_through(harness: StackHarness) -> None:
    """An apply that fails in a different way each time is tried four times, and was not done: the truth is told."""
    route = "/api/v1/policies/apply"
    modes = ["error-500", "rate-limit", "garbage", "hang"]
    await harness.set_api_fault(modes[0], route)
    since = await harness.inject_fault(*FAULT)
    remedy = await harness.wait_for_remediation(since)
    for answered, mode in enumerate(modes[1:], start=1):
        await wait_for_failed_attempts(harness, remedy, answered)
        await harness.set_api_fault(mode, route)
    await harness.set_mode(LoopMode.OBSERVE)  # what has begun goes on, and nothing else is tried
    result = await remedy.wait_for_result()
    rows = await list_attempts(harness, remedy)
    assert [row.attempt for row in rows if row.phase == "before"] == list(range(1, MIN_ATTEMPTS + 1))
    assert [row.status for row in rows if row.phase == "after"] == [500, 429, None, None]
    assert all("no answer: " in row.summary for row in rows if row.phase == "after")
    assert result.outcome == "failed"
    assert "could not be applied" in result.headline
    assert await harness.list_effects(remedy.plan) == []


async def test_store_locked(harness: StackHarness) -> None:
    """While nobody can write into the store, cycles go on: blocked by it in trouble, healthy without."""
    with closing(sqlite3.connect(harness.store_file, isolation_level=None, timeout=5.0)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        since = await harness.inject_fault(*FAULT)
        blocked = await harness.wait_for_cycle(["blocked"], since, BLIND_TIMEOUT_SECONDS)
        assert blocked.result.headline.startswith("blocked: store: ")
        await harness.clear_faults()
        await harness.wait_for_cycle(["healthy"], time.time(), HEALTHY_TIMEOUT_SECONDS)
        assert await harness.list_remediations(since) == []


async def test_worker_without_search_attributes(harness: StackHarness) -> None:
    """A worker does not start where schedules would fail without a trace: exit 2, with the command that mends it."""
    name = f"bare-{time.time():.0f}"
    request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86400))
    await harness.client.workflow_service.register_namespace(request)
    said = await run_mapek(harness, "worker", "--temporal-namespace", name)
    assert said.exit_code == 2
    assert "search attributes are not registered" in said.stderr
    assert "`mapek bootstrap`" in said.stderr


async def test_worker_without_simulator(harness: StackHarness) -> None:
    """A config that promises the simulator where no Charter answers is wrong: exit 2, with what to do."""
    said = await run_mapek(harness, "worker", "--charter", f"http://{LOOPBACK}:9")
    assert said.exit_code == 2
    assert f"staging.use_mock_charter is true, but no Charter answers at http://{LOOPBACK}:9" in said.stderr
    assert "`make run` starts one" in said.stderr


async def list_attempts(harness: StackHarness, remediation: StartedRemediation) -> list[AuditEntry]:
    """Return the audited attempts at the plan's step."""
    rows = await harness.store.audit.load_for_plan(remediation.plan.plan_id)
    return [row for row in rows if row.kind == "attempt" and row.direction == "do"]


async def wait_for_failed_attempts(harness: StackHarness, remediation: StartedRemediation, number: int) -> None:
    """Wait until so many attempts have failed."""

    async def look() -> bool:
        return sum(row.phase == "after" for row in await list_attempts(harness, remediation)) >= number

    await wait_until(f"{number} failed attempts", look, 40.0, interval=0.05)
