"""On PostgreSQL with two workers each process is killed with SIGKILL during a remediation."""

import asyncio
import time

import pytest

from tests.cluster.evidence import collect_evidence
from tests.cluster.harness import ClusterHarness
from tests.end_to_end.conftest import SHORT_SETTINGS
from tests.soak.checker.check import find_violations
from tests.support.waiting import wait_until
from worker.temporal.payload_codec import ENCODING

PERIOD_SECONDS: float = SHORT_SETTINGS["orchestrator"]["loop_interval"]
DETECTION_TIMEOUT_SECONDS = 60.0
"""Maximum until a remediation starts."""
HEALING_TIMEOUT_SECONDS = 150.0
"""Maximum until it has ended; activities of a dead worker must time out first."""
DOWNTIME_SECONDS = 3.0
"""Time between kill and restart."""
EXPECTED_OUTCOMES = {"fixed", "improved", "no_effect", "rolled_back", "inconclusive", "worse", "stale"}


@pytest.mark.parametrize("process_name", ["worker", "second worker", "temporal", "postgres"])
async def test_incident_is_healed_despite_a_kill(cluster_harness: ClusterHarness, process_name: str) -> None:
    """A remediation ends despite a killed process, and the loop becomes healthy.

    The fault stays: if the kill makes the first remedy fail, the next one must heal it.
    """
    kill, start = cluster_harness.kill_and_restart[process_name]
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


async def test_invariants_hold_after_all_kills(cluster_harness: ClusterHarness) -> None:
    """The checker finds no violated invariant, and the audit's chain is intact."""
    quiet_since = time.time()
    await cluster_harness.harness.wait_for_cycles(3, quiet_since, 30.0)
    assert await cluster_harness.harness.store.audit.verify_chain() is None

    async def have_ended() -> bool:
        return not await cluster_harness.harness.list_remediations(status="Running")

    await wait_until("the end of all remediations", have_ended, 60.0)
    assert [
        str(violation)
        for violation in find_violations(await collect_evidence(cluster_harness, PERIOD_SECONDS, quiet_since))
    ] == []


async def test_payloads_in_temporal_are_encrypted(cluster_harness: ClusterHarness) -> None:
    """Every request and result of every remediation is encrypted in Temporal."""
    client = cluster_harness.harness.client
    events = [
        event
        async for h in client.list_workflows('WorkflowType="MapekRemediation"').map_histories()
        for event in h.events
    ]
    stored = [
        payload
        for event in events
        for payloads in (
            event.workflow_execution_started_event_attributes.input,
            event.activity_task_scheduled_event_attributes.input,
            event.activity_task_completed_event_attributes.result,
        )
        for payload in payloads.payloads
    ]
    assert stored
    assert {payload.metadata["encoding"] for payload in stored} == {ENCODING}
