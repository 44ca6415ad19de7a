"""On PostgreSQL with two workers: each process is killed with SIGKILL while a remediation runs, and all heals."""

import asyncio
import time

import pytest

from tests.cluster.evidence import collect_evidence
from tests.cluster.harness import ClusterHarness
from tests.end_to_end.conftest import SHORT_SETTINGS
from tests.soak.checker.check import find_violations
from tests.support.waiting import wait_until
from worker.temporal.payload_codec import ENCODING

PERIOD_SECONDS = SHORT_SETTINGS["orchestrator"]["loop_interval"]
DETECTION_TIMEOUT_SECONDS = 60.0
"""Seconds until a remediation runs."""
HEALING_TIMEOUT_SECONDS = 150.0
"""Seconds until it has ended: what was killed has to be noticed, and activities of a dead worker time out first."""
DOWNTIME_SECONDS = 3.0
"""Seconds a killed process stays away."""
EXPECTED_OUTCOMES = {"fixed", "improved", "no_effect", "rolled_back", "inconclusive", "worse", "stale"}


@pytest.mark.parametrize("which", ["worker", "second worker", "temporal", "postgres"])
async def test_killed_while_it_heals(cluster_harness: ClusterHarness, which: str) -> None:
    """A remediation whose surroundings are killed under it ends all the same, and what troubles the loop is healed.

    The fault stays: where the first remedy came to nothing in the turmoil, the next one has to do it.
    """
    kill, start = cluster_harness.kill_and_restart[which]
    since = await cluster_harness.harness.inject_fault("overload", "policy-engine")
    remedy = await cluster_harness.harness.wait_for_remediation(since, DETECTION_TIMEOUT_SECONDS)
    await kill()
    await asyncio.sleep(DOWNTIME_SECONDS)
    await start()
    result = await remedy.wait_for_result(HEALING_TIMEOUT_SECONDS)
    assert result.outcome in EXPECTED_OUTCOMES
    await cluster_harness.harness.wait_for_cycle(["healthy"], time.time(), HEALING_TIMEOUT_SECONDS)
    await cluster_harness.harness.restore_healthy()
    assert (
        len(
            [
                row
                for row in await cluster_harness.harness.store.audit.load_for_plan(remedy.plan.plan_id)
                if row.kind == "ending"
            ]
        )
        == 1
    )


async def test_nothing_was_done_twice_or_half(cluster_harness: ClusterHarness) -> None:
    """After all of it the checker of the invariants finds nothing, and the audit's chain is whole."""
    quiet_since = time.time()
    await cluster_harness.harness.wait_for_cycles(3, quiet_since, 30.0)
    assert await cluster_harness.harness.store.audit.verify_chain() is None

    async def nothing_runs() -> bool:
        return not await cluster_harness.harness.list_remediations(status="Running")

    await wait_until("nothing runs", nothing_runs, 60.0)
    assert [
        str(violation)
        for violation in find_violations(await collect_evidence(cluster_harness, PERIOD_SECONDS, quiet_since))
    ] == []


async def test_temporal_holds_nothing_readable(cluster_harness: ClusterHarness) -> None:
    """Every request and result of every remediation that was played is encrypted where Temporal keeps it."""
    client = cluster_harness.harness.client
    found = [
        event async for h in client.list_workflows('WorkflowType="MapekRemediation"').map_histories() for event in h.events
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
