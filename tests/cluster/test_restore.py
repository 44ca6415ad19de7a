"""The runbook's commands restore the loop from its configuration and a backup."""

import asyncio
import time
from pathlib import Path

from activities.model import identifiers
from deploy.devstack import process
from tests.cluster.harness import ClusterHarness, run_mapek

RTO_SECONDS = 1800.0
"""Maximum until the loop works again."""
EXPECTED_OUTCOMES = {"fixed", "improved", "no_effect", "rolled_back"}


async def run_runbook_command(cluster_harness: ClusterHarness, folder: Path, *args: str) -> None:
    """Run a command of the runbook; it must succeed."""
    log = folder / f"{args[0]}.log"
    code = await run_mapek(cluster_harness.harness.stack.state.config_file, log, *args)
    assert code == 0, process.last_lines(log)


async def test_lost_store_and_schedules_are_restored(cluster_harness: ClusterHarness, tmp_path: Path) -> None:
    """After backup, loss, restore and bootstrap all outcomes are present, and the next incident is healed."""
    harness = cluster_harness.harness
    await heal_incident(cluster_harness)
    backup = tmp_path / "backup.db"
    await run_runbook_command(cluster_harness, tmp_path, "backup", str(backup))
    learned = await harness.store.outcomes.load_recent("charter")
    assert learned, "the backup has no outcomes to check"
    await destroy_state(cluster_harness)

    started_at = time.time()
    await run_runbook_command(cluster_harness, tmp_path, "restore", str(backup))
    await run_runbook_command(cluster_harness, tmp_path, "bootstrap")
    await asyncio.gather(harness.stack.start_service("worker"), cluster_harness.second_worker.start())
    await harness.wait_for_cycle(["healthy"], started_at, 120.0)
    seconds = time.time() - started_at
    print(f"restored in {seconds:.1f} s")
    assert seconds < RTO_SECONDS

    assert await harness.store.outcomes.load_recent("charter") == learned
    assert await harness.store.audit.verify_chain() is None
    await heal_incident(cluster_harness)


async def heal_incident(cluster_harness: ClusterHarness) -> None:
    """Inject a fault and wait until it is healed."""
    since = await cluster_harness.harness.inject_fault("overload", "policy-engine")
    remedy = await cluster_harness.harness.wait_for_remediation(since, 60.0)
    assert (await remedy.wait_for_result(120.0)).outcome in EXPECTED_OUTCOMES
    await cluster_harness.harness.restore_healthy()


async def destroy_state(cluster_harness: ClusterHarness) -> None:
    """Kill both workers, drop the store, and delete the schedules and the intake."""
    client = cluster_harness.harness.client
    await cluster_harness.harness.stack.kill("worker")
    await cluster_harness.second_worker.kill()
    for schedule in (identifiers.schedule_id("charter"), identifiers.upkeep_schedule_id("charter")):
        await client.get_schedule_handle(schedule).delete()
    await client.get_workflow_handle(identifiers.loop_workflow_id("charter")).terminate("lost")
    await cluster_harness.cluster.postgres.execute("DROP DATABASE mapek WITH (FORCE)")
    await cluster_harness.cluster.postgres.execute("CREATE DATABASE mapek")
