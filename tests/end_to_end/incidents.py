"""Incidents played one after the other on a separate stack while other tests run; each has a record."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from activities.model.audit import AuditEntry
from activities.model.mode import LoopMode
from activities.model.outcome import Outcome
from activities.model.remediation import RemediationResult
from tests.support.stack import DETECTION_TIMEOUT_SECONDS, LOOP_NAME, FinishedCycle, StackHarness, StartedRemediation

HEALABLE_FAULTS = {
    "few-validators": "validator-2",
    "bad-policy": "gateway",
    "overload": "policy-engine",
    "slow-node": "validator-3",
    "dead-node": "validator-4",
    "retry-cascade": "gateway",
}
"""Faults whose first remedy helps, with their components."""
WORSENED_FAULT = ("remedy-worsens", "validator-1")
BLINDING_FAULTS = {"exporter-silent": "audit-log", "exporter-lying": "validator-5"}
MIN_BLIND_CYCLES = 4
TWO_FAULTS = "two faults"


@dataclass(frozen=True)
class IncidentRecord:
    """One incident from its fault to the end of its remediation.

    `cycles` are the cycles from the fault until the outcome was recorded. `ledger` has the effects at Charter from the
    fault until the next healthy cycle. `replicas` and `outcome_counts` are the values before and after.
    """

    remediation: StartedRemediation
    cycles: tuple[FinishedCycle, ...]
    result: RemediationResult
    ledger: tuple[dict[str, Any], ...]
    outcome: Outcome | None
    audit: tuple[AuditEntry, ...]
    replicas: tuple[int, int]
    outcome_counts: tuple[int, int]


@dataclass(frozen=True)
class BlindnessRecord:
    """The cycles during a blind spot, and the effects at Charter meanwhile."""

    first_blind_at: float
    cycles: tuple[FinishedCycle, ...]
    ledger: tuple[dict[str, Any], ...]


class IncidentRecords:
    """The records by kind of fault; tests wait for them."""

    def __init__(self, kinds: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        self.records: dict[str, asyncio.Future[Any]] = {kind: loop.create_future() for kind in kinds}

    async def wait_for_incident(self, kind: str) -> IncidentRecord:
        """Return the record of an incident."""
        record: IncidentRecord = await asyncio.shield(self.records[kind])
        return record

    async def wait_for_blindness(self, kind: str) -> BlindnessRecord:
        """Return the record of a blind spot."""
        record: BlindnessRecord = await asyncio.shield(self.records[kind])
        return record

    async def wait_for_two_faults(self) -> FinishedCycle:
        """Return the cycle that planned for two knobs."""
        record: FinishedCycle = await asyncio.shield(self.records[TWO_FAULTS])
        return record

    async def play_all(self, harness: StackHarness) -> None:
        """Play all incidents; the error of a failed one is stored for its tests, and the next one is played."""
        for kind, record in self.records.items():
            try:
                if kind == TWO_FAULTS:
                    record.set_result(await play_two_faults(harness))
                elif kind in BLINDING_FAULTS:
                    record.set_result(await play_blindness(harness, kind, BLINDING_FAULTS[kind]))
                else:
                    record.set_result(
                        await play_incident(harness, kind, dict([*HEALABLE_FAULTS.items(), WORSENED_FAULT])[kind])
                    )
            except Exception as error:
                record.set_exception(error)
                record.exception()  # marks it as retrieved: asyncio must not warn if no test waits
                with suppress(AssertionError):
                    await harness.restore_healthy()


async def play_incident(harness: StackHarness, kind: str, component: str) -> IncidentRecord:
    """Inject a fault, clear it after the outcome of its first remedy, and return the record."""
    replicas, count_before = await harness.fetch_replicas(), await count_experiences(harness)
    inject = harness.inject_fault_fully if kind == WORSENED_FAULT[0] else harness.inject_fault
    since = await inject(kind, component)
    remedy = await harness.wait_for_remediation(since)
    await remedy.wait_for_phase("cooling-down")
    cycles = tuple(await harness.list_cycles(since))
    outcome, after = await harness.store.outcomes.load_for_plan(remedy.plan.plan_id), await harness.fetch_replicas()
    count_after = await count_experiences(harness)
    await harness.restore_healthy()
    result = await remedy.wait_for_result()
    return IncidentRecord(
        remediation=remedy,
        cycles=cycles,
        result=result,
        ledger=tuple(await harness.fetch_ledger(since)),
        outcome=outcome,
        audit=await harness.store.audit.load_for_plan(remedy.plan.plan_id),
        replicas=(replicas, after),
        outcome_counts=(count_before, count_after),
    )


async def play_blindness(harness: StackHarness, kind: str, component: str) -> BlindnessRecord:
    """Make a component's exporter fail and return the cycles from the first blind one."""
    since = await harness.inject_fault(kind, component)
    first = await harness.wait_for_cycle(["blind"], since, 15.0)
    cycles = await harness.wait_for_cycles(MIN_BLIND_CYCLES, first.started_at, 30.0)
    ledger = tuple(await harness.fetch_ledger(since))
    await harness.restore_healthy()
    return BlindnessRecord(first.started_at - since, tuple(cycles), ledger)


async def play_two_faults(harness: StackHarness) -> FinishedCycle:
    """Inject two faults with remedies on two knobs and return the cycle that plans both."""
    await harness.set_mode(LoopMode.OBSERVE)
    await harness.inject_fault("bad-policy", HEALABLE_FAULTS["bad-policy"])
    since = await harness.inject_fault_fully("few-validators", HEALABLE_FAULTS["few-validators"])
    cycle = await harness.wait_for_cycle(["planned"], since, DETECTION_TIMEOUT_SECONDS)
    await harness.restore_healthy()
    return cycle


async def count_experiences(harness: StackHarness) -> int:
    """Return the number of outcomes in the loop's experience."""
    return sum(record.count for record in (await harness.store.outcomes.load_experience(LOOP_NAME)).action_stats)
