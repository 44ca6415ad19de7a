"""Remotes that fail in every way: nothing is done on doubtful data, silence is never health, and the reason is told."""

import sqlite3
import time
from contextlib import closing

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

from activities.model.audit import AuditEntry
from activities.model.mode import ModeName
from deploy.devstack.ports import LOOPBACK
from tests.end_to_end.mapek_command import mapek
from tests.end_to_end.stack_overrides import prometheus_that_answers, without, wrong_token
from tests.support.stack import HEALTHY, Cycle, Remedy, World
from tests.support.waiting import wait_until

pytestmark = pytest.mark.stack

TROUBLE = ("overload", "policy-engine")
CYCLES = 2
BLIND = 30.0
ATTEMPTS = 4
"""An apply is tried once and again three times (execute.max_retries)."""

EMPTY = b'{"status":"success","data":{"resultType":"vector","result":[]}}'
REPLIES = {
    "503": (503, b"overloaded", None, "503"),
    "not JSON": (200, b"<html>It works!</html>", None, "JSON"),
    "cut off": (200, EMPTY[:-9], len(EMPTY), "RemoteProtocolError"),
    "an error": (200, b'{"status":"error","errorType":"internal","error":"broken"}', None, "broken"),
    "nothing": (200, EMPTY, None, "missing"),
}
MISBEHAVIOUR = {"error-500": "500", "rate-limit": "429", "unavailable": "503", "garbage": "JSON", "hang": "Timeout"}


async def blinded(world: World, since: float) -> list[Cycle]:
    """Return cycles that are all blind while there is trouble, and in which nothing was done about it."""
    first = await world.cycle(["blind"], since, BLIND)
    cycles = await world.several(CYCLES, first.started, BLIND)
    assert {cycle.result.outcome for cycle in cycles} == {"blind"}
    assert await world.remediations(since) == []
    return cycles


def check_reasons(told: dict[str, tuple[list[Cycle], str]]) -> None:
    """Check that the headline of every blind cycle says what the remote answered."""
    for name, (cycles, reason) in told.items():
        assert all(reason in cycle.result.headline for cycle in cycles), (name, cycles)


async def test_charter_that_cannot_be_read(world: World) -> None:
    """Charter failing in every way: trouble is neither remedied nor called health, and each reason is told."""
    told = {}
    await world.behave("unavailable")
    since = await world.strike(*TROUBLE)
    for mode, reason in MISBEHAVIOUR.items():
        await world.behave(mode)
        told[mode] = (await blinded(world, time.time()), reason)
    async with wrong_token(world):
        await world.behave("normal")
        told["wrong token"] = (await blinded(world, time.time()), "401")
        assert await world.ledger(since) == []
    check_reasons(told)


async def test_charter_away(world: World) -> None:
    """A Charter that is away is neither healthy nor remedied."""
    since = time.time()
    async with without(world, "charter"):
        cycles = await blinded(world, since)
    assert all("charter" in cycle.result.headline for cycle in cycles)


async def test_prometheus_that_cannot_be_believed(world: World) -> None:
    """Prometheus away, failing, talking rubbish or knowing nothing: blind each time, with the reason, and no action."""
    since = await world.strike(*TROUBLE)
    async with without(world, "prometheus"):
        told = {"away": (await blinded(world, time.time()), "ConnectError")}
        for name, (status, body, length, reason) in REPLIES.items():
            async with prometheus_that_answers(world, status, body, length):
                told[name] = (await blinded(world, time.time()), reason)
        await world.heal()
    check_reasons(told)
    assert await world.ledger(since) == []


async def test_apply_that_never_gets_through(world: World) -> None:
    """An apply that fails in a different way each time is tried four times, and was not done: the truth is told."""
    route = "/api/v1/policies/apply"
    modes = ["error-500", "rate-limit", "garbage", "hang"]
    await world.behave(modes[0], route)
    since = await world.strike(*TROUBLE)
    remedy = await world.remedy(since)
    for answered, mode in enumerate(modes[1:], start=1):
        await answers(world, remedy, answered)
        await world.behave(mode, route)
    await world.set_mode(ModeName.OBSERVE)  # what has begun goes on, and nothing else is tried
    result = await remedy.ended()
    rows = await attempts(world, remedy)
    assert [row.attempt for row in rows if row.phase == "before"] == list(range(1, ATTEMPTS + 1))
    assert [row.status for row in rows if row.phase == "after"] == [500, 429, None, None]
    assert all("no answer: " in row.text for row in rows if row.phase == "after")
    assert result.outcome == "failed"
    assert "could not be applied" in result.headline
    assert await world.effects(remedy.plan) == []


async def test_store_locked(world: World) -> None:
    """While nobody can write into the store, cycles go on: blocked by it in trouble, healthy without."""
    with closing(sqlite3.connect(world.store_file, isolation_level=None, timeout=5.0)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        since = await world.strike(*TROUBLE)
        blocked = await world.cycle(["blocked"], since, BLIND)
        assert blocked.result.headline.startswith("blocked: store: ")
        await world.heal()
        await world.cycle(["healthy"], time.time(), HEALTHY)
        assert await world.remediations(since) == []


async def test_worker_without_search_attributes(world: World) -> None:
    """A worker does not start where schedules would fail without a trace: exit 2, with the command that mends it."""
    name = f"bare-{time.time():.0f}"
    request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86400))
    await world.client.workflow_service.register_namespace(request)
    said = await mapek(world, "worker", "--temporal-namespace", name)
    assert said.code == 2
    assert "search attributes are not registered" in said.err
    assert "`mapek bootstrap`" in said.err


async def test_worker_without_simulator(world: World) -> None:
    """A config that promises the simulator where no Charter answers is wrong: exit 2, with what to do."""
    said = await mapek(world, "worker", "--charter", f"http://{LOOPBACK}:9")
    assert said.code == 2
    assert f"staging.use_mock_charter is true, but no Charter answers at http://{LOOPBACK}:9" in said.err
    assert "`make run` starts one" in said.err


async def attempts(world: World, remedy: Remedy) -> list[AuditEntry]:
    """Return the audited attempts at the plan's step."""
    rows = await world.store.audit.of_plan(remedy.plan.plan_id)
    return [row for row in rows if row.kind == "attempt" and row.direction == "do"]


async def answers(world: World, remedy: Remedy, number: int) -> None:
    """Wait until so many attempts have failed."""

    async def look() -> bool:
        return sum(row.phase == "after" for row in await attempts(world, remedy)) >= number

    await wait_until(f"{number} failed attempts", look, 40.0, every=0.05)
