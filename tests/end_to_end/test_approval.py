"""What a person decides, through the real command: approve, reject, pause, resume, and cycles now."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import pytest_asyncio

from tests.end_to_end.mapek_command import mapek
from tests.end_to_end.stack_overrides import configured, foreign_change
from tests.support.stack import LOOP, Remedy, World
from tests.support.waiting import wait_until
from workflows import names

pytestmark = pytest.mark.stack

AWAITING = "awaiting-approval"
OBSERVED_CYCLES = 3
A_DAY = 100_000.0
"""Seconds: a day, the hour of grace, and some more."""
ASK = {"plan": {"approval": {"from_risk": "low"}}}
NOT_FOR_LONG = {"plan": {"approval": {"from_risk": "low", "deadline_seconds": 2}}}


@pytest_asyncio.fixture(scope="module")
async def asking(shared_world: World) -> AsyncIterator[World]:
    """The stack with a worker that asks a person before it does anything."""
    async with configured(shared_world, ASK):
        yield shared_world


async def waiting(world: World, component: str) -> Remedy:
    """Let load come over a component, and return the remediation that waits for approval, with nothing done."""
    since = await world.strike("overload", component)
    remedy = await world.remedy(since)
    await remedy.until_phase(AWAITING)
    assert await world.ledger(since) == []
    return remedy


async def shown(world: World, remedy: Remedy, outcome: str, *lines: str) -> None:
    """Check that how it ended is found in the Temporal UI, by outcome and plan, and told by `mapek explain`."""
    found = (await remedy.handle.describe()).typed_search_attributes
    wanted = (outcome, "done", remedy.plan.plan_id, remedy.plan.knob)
    assert tuple(found.get(key) for key in (names.OUTCOME, names.PHASE, names.PLAN, names.KNOB)) == wanted
    said = await mapek(world, "explain", remedy.plan.plan_id)
    assert said.code == 0, said.err
    for line in (f"Verdict: {outcome} (", *lines):
        assert line in said.out


async def test_observe_act_and_reject(asking: World, world: World) -> None:
    """`mapek pause` lets the loop explain and never act, `mapek resume` lets it act; what is rejected is not done."""
    assert (await mapek(world, "pause", LOOP, "--why", "a drill")).code == 0
    since = await world.strike("overload", "gateway")
    first = await world.cycle(["observed"], since, 20.0)
    seen = await world.several(OBSERVED_CYCLES, first.started, 20.0)
    assert {cycle.result.outcome for cycle in seen} == {"observed"}
    assert await world.remediations(since) == []
    assert (await mapek(world, "resume", LOOP)).code == 0
    remedy = await world.remedy(since)
    await remedy.until_phase(AWAITING)
    assert (await mapek(world, "reject", remedy.plan.plan_id, "--who", "ada", "--why", "not now")).code == 0
    result = await remedy.ended()
    assert (result.outcome, result.headline) == ("rejected", "rejected by ada: not now")
    assert await world.ledger(since) == []
    await shown(world, remedy, "rejected", "ada: rejected: not now")


async def test_approved(asking: World, world: World) -> None:
    """A plan that needs approval waits for `mapek approve`, is then applied and verified; a second answer is a no."""
    remedy = await waiting(world, "policy-engine")
    said = await mapek(world, "approve", remedy.plan.plan_id, "--who", "ada", "--why", "looks right")
    assert (said.code, said.out.strip()) == (0, f"plan {remedy.plan.plan_id} approved by ada")
    assert (await mapek(world, "approve", remedy.plan.plan_id, "--who", "bob")).code == 1
    result = await remedy.ended()
    assert result.outcome in ("fixed", "improved")
    assert await world.effects(remedy.plan) == ["applied"]
    await shown(world, remedy, result.outcome, "ada: approved: looks right")


async def test_stale_after_approval(asking: World, world: World) -> None:
    """A plan whose knob somebody else moved while it waited is not applied, although it is approved."""
    remedy = await waiting(world, "audit-log")
    await foreign_change(world, remedy.plan)
    assert (await mapek(world, "approve", remedy.plan.plan_id, "--who", "ada")).code == 0
    result = await remedy.ended()
    assert result.outcome == "stale"
    assert "moved from generation" in result.headline
    assert await world.effects(remedy.plan) == []
    await shown(world, remedy, "stale", "moved from generation")


async def test_stale_after_a_day(asking: World, world: World) -> None:
    """A plan that was decided longer ago than a decision holds is not applied, although it is approved at last."""
    remedy = await waiting(world, "gateway")
    with closing(sqlite3.connect(world.store_file, timeout=5.0)) as store, store:
        # The clock moves for the plan alone: all servers go on, and the deadline's timer has not run out.
        moved = "UPDATE plans SET body = json_set(body, '$.created_at', ?) WHERE plan_id = ?"
        store.execute(moved, (remedy.plan.created_at - A_DAY, remedy.plan.plan_id))
    assert (await mapek(world, "approve", remedy.plan.plan_id, "--who", "ada")).code == 0
    result = await remedy.ended()
    assert result.outcome == "stale"
    assert "more than the 90001 s a decision holds" in result.headline
    assert await world.effects(remedy.plan) == []
    await shown(world, remedy, "stale", "ada: approved")


async def test_superseded(asking: World, world: World) -> None:
    """While a plan waits, one of lower risk for the same knob takes its place, as soon as the loop would choose it."""
    since = await world.strike("dead-node", "validator-2")
    await world.strike("few-validators", "validator-1")
    remedy = await world.remedy(since)
    await remedy.until_phase(AWAITING)
    assert remedy.plan.risk.rank > 0
    await world.heal()
    await world.strike("few-validators", "validator-1")
    result = await remedy.ended()
    assert (result.outcome, result.applied) == ("superseded", ())
    await shown(world, remedy, "superseded", "gave way while waiting for approval")
    assert await world.ledger(since) == []


async def test_expired(asking: World, world: World) -> None:
    """Silence until the deadline is a no."""
    async with configured(world, NOT_FOR_LONG):
        remedy = await waiting(world, "validator-1")
        result = await remedy.ended()
        assert (result.outcome, result.applied) == ("expired", ())
        await shown(world, remedy, "expired", "nobody decided within 2 s")
        await world.heal()


async def test_cycle_by_command(world: World) -> None:
    """`mapek run --wait` tells the result; the same key is the same cycle, whoever asks and however often."""
    said = await mapek(world, "run", LOOP, "--wait", "--reason", "a drill")
    assert said.code == 0, said.err
    assert said.out.splitlines()[1].startswith("healthy: ")
    key = f"drill-{time.time():.0f}"
    asked = [await mapek(world, "run", LOOP, "--key", key) for _ in range(2)]
    assert [one.out.strip() for one in asked] == [f"mapek-cycle:{LOOP}:manual-{key}"] * 2
    assert len(await world.runs(f'WorkflowId="mapek-cycle:{LOOP}:manual-{key}"', 0.0)) == 1


async def test_cycle_by_signal(world: World) -> None:
    """`mapek run --signal` only hands the wish over, and the cycle of that key runs."""
    since, key = time.time(), f"signal-{time.time():.0f}"
    assert (await mapek(world, "run", LOOP, "--signal", "--key", key)).code == 0

    async def look() -> list[str]:
        return [cycle.id for cycle in await world.cycles(since) if cycle.id == f"mapek-cycle:{LOOP}:manual-{key}"]

    assert len(await wait_until("the cycle of that key", look, 20.0)) == 1
