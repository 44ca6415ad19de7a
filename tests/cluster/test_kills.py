"""On PostgreSQL with two workers: each process is killed with SIGKILL while a remediation runs, and all heals."""

import asyncio
import time

import pytest

from tests.cluster.evidence import evidence
from tests.cluster.harness import Clustered
from tests.end_to_end.conftest import BRISK
from tests.soak.checker.check import check
from tests.support.waiting import wait_until
from worker.temporal.payload_codec import ENCODING

PERIOD = BRISK["orchestrator"]["loop_interval"]
DETECTED = 60.0
"""Seconds until a remediation runs."""
HEALED = 150.0
"""Seconds until it has ended: what was killed has to be noticed, and activities of a dead worker time out first."""
AWAY = 3.0
"""Seconds a killed process stays away."""
ENDED_WELL = {"fixed", "improved", "no_effect", "rolled_back", "inconclusive", "worse", "stale"}


@pytest.mark.parametrize("which", ["worker", "second worker", "temporal", "postgres"])
async def test_killed_while_it_heals(run: Clustered, which: str) -> None:
    """A remediation whose surroundings are killed under it ends all the same, and what troubles the loop is healed.

    The fault stays: where the first remedy came to nothing in the turmoil, the next one has to do it.
    """
    kill, start = run.kills[which]
    since = await run.world.strike("overload", "policy-engine")
    remedy = await run.world.remedy(since, DETECTED)
    await kill()
    await asyncio.sleep(AWAY)
    await start()
    result = await remedy.ended(HEALED)
    assert result.outcome in ENDED_WELL
    await run.world.cycle(["healthy"], time.time(), HEALED)
    await run.world.rest()
    assert len([row for row in await run.world.store.audit.of_plan(remedy.plan.plan_id) if row.kind == "ending"]) == 1


async def test_nothing_was_done_twice_or_half(run: Clustered) -> None:
    """After all of it the checker of the invariants finds nothing, and the audit's chain is whole."""
    quiet_since = time.time()
    await run.world.several(3, quiet_since, 30.0)
    assert await run.world.store.audit.verify_chain() is None

    async def nothing_runs() -> bool:
        return not await run.world.remediations(only="Running")

    await wait_until("nothing runs", nothing_runs, 60.0)
    assert [str(violation) for violation in check(await evidence(run, PERIOD, quiet_since))] == []


async def test_temporal_holds_nothing_readable(run: Clustered) -> None:
    """Every request and result of every remediation that was played is encrypted where Temporal keeps it."""
    client = run.world.client
    found = [
        event async for h in client.list_workflows('WorkflowType="Remediation"').map_histories() for event in h.events
    ]
    kept = [
        payload
        for event in found
        for payloads in (
            event.workflow_execution_started_event_attributes.input,
            event.activity_task_scheduled_event_attributes.input,
            event.activity_task_completed_event_attributes.result,
        )
        for payload in payloads.payloads
    ]
    assert kept
    assert {payload.metadata["encoding"] for payload in kept} == {ENCODING}
