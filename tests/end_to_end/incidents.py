"""Incidents played one after the other on a stack of their own, while other tests run; each leaves a record."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from activities.model.audit import AuditEntry
from activities.model.mode import ModeName
from activities.model.outcome import Outcome
from activities.model.remediation import RemediationResult
from tests.support.stack import DETECTED, LOOP, Cycle, Remedy, World

HEALABLE = {
    "few-validators": "validator-2",
    "bad-policy": "gateway",
    "overload": "policy-engine",
    "slow-node": "validator-3",
    "dead-node": "validator-4",
    "retry-cascade": "gateway",
}
"""Faults whose first remedy helps, and where each strikes."""
WORSENED = ("remedy-worsens", "validator-1")
BLINDING = {"exporter-silent": "audit-log", "exporter-lying": "validator-5"}
BLIND_CYCLES = 4
TWOFOLD = "two faults at once"


@dataclass(frozen=True)
class Remedied:
    """One incident from its fault to the end of its remediation.

    `cycles` are those from the fault until the outcome was recorded. `ledger` is what happened at Charter from the
    fault until all was healthy again. `counted` are the outcomes in the experience before and after.
    """

    remedy: Remedy
    cycles: tuple[Cycle, ...]
    result: RemediationResult
    ledger: tuple[dict[str, Any], ...]
    outcome: Outcome | None
    audit: tuple[AuditEntry, ...]
    replicas: tuple[int, int]
    counted: tuple[int, int]


@dataclass(frozen=True)
class Unseen:
    """Some cycles while one component could not be judged, and what happened at Charter meanwhile."""

    first_blind: float
    cycles: tuple[Cycle, ...]
    ledger: tuple[dict[str, Any], ...]


class Gallery:
    """The records by kind of fault; whoever wants one waits until it is there."""

    def __init__(self, kinds: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        self.records: dict[str, asyncio.Future[Any]] = {kind: loop.create_future() for kind in kinds}

    async def remedied(self, kind: str) -> Remedied:
        """Return the record of an incident."""
        record: Remedied = await asyncio.shield(self.records[kind])
        return record

    async def unseen(self, kind: str) -> Unseen:
        """Return the record of a blindness."""
        record: Unseen = await asyncio.shield(self.records[kind])
        return record

    async def twofold(self) -> Cycle:
        """Return the cycle that planned for two knobs."""
        record: Cycle = await asyncio.shield(self.records[TWOFOLD])
        return record

    async def play(self, world: World) -> None:
        """Play all incidents; one that fails keeps its reason for whoever asks, and the next is played."""
        for kind, record in self.records.items():
            try:
                if kind == TWOFOLD:
                    record.set_result(await two_at_once(world))
                elif kind in BLINDING:
                    record.set_result(await blindness(world, kind, BLINDING[kind]))
                else:
                    record.set_result(await incident(world, kind, dict([*HEALABLE.items(), WORSENED])[kind]))
            except Exception as error:
                record.set_exception(error)
                record.exception()  # seen: perhaps nobody asks
                with suppress(AssertionError):
                    await world.rest()


async def incident(world: World, kind: str, component: str) -> Remedied:
    """Let a fault strike, heal it once its first remedy has an outcome, and tell what happened."""
    replicas, counted = await world.replicas(), await experiences(world)
    strike = world.strike_in_full if kind == WORSENED[0] else world.strike
    since = await strike(kind, component)
    remedy = await world.remedy(since)
    await remedy.until_phase("cooling-down")
    cycles = tuple(await world.cycles(since))
    outcome, after = await world.store.outcomes.of_plan(remedy.plan.plan_id), await world.replicas()
    known = await experiences(world)
    await world.rest()
    result = await remedy.ended()
    return Remedied(
        remedy=remedy,
        cycles=cycles,
        result=result,
        ledger=tuple(await world.ledger(since)),
        outcome=outcome,
        audit=await world.store.audit.of_plan(remedy.plan.plan_id),
        replicas=(replicas, after),
        counted=(counted, known),
    )


async def blindness(world: World, kind: str, component: str) -> Unseen:
    """Let a component's exporter fail, and tell what the cycles from the first blind one on say."""
    since = await world.strike(kind, component)
    first = await world.cycle(["blind"], since, 15.0)
    cycles = await world.several(BLIND_CYCLES, first.started, 30.0)
    ledger = tuple(await world.ledger(since))
    await world.rest()
    return Unseen(first.started - since, tuple(cycles), ledger)


async def two_at_once(world: World) -> Cycle:
    """Let two faults strike whose remedies are on two knobs, and return the cycle that plans for them."""
    await world.set_mode(ModeName.OBSERVE)
    await world.strike("bad-policy", HEALABLE["bad-policy"])
    since = await world.strike_in_full("few-validators", HEALABLE["few-validators"])
    cycle = await world.cycle(["planned"], since, DETECTED)
    await world.rest()
    return cycle


async def experiences(world: World) -> int:
    """Return how many outcomes count in what the loop has learned."""
    return sum(record.n for record in (await world.store.outcomes.experience(LOOP)).records)
