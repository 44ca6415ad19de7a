"""Everything but the configuration and a back-up is lost; it is put back by the runbook's commands, and heals."""

import asyncio
import time
from pathlib import Path

from activities.model import identifiers
from deploy.devstack import process
from tests.cluster.harness import ClusterHarness, run_mapek

RTO_SECONDS = 1800.0
"""Seconds in which the loop has to be at work again."""
EXPECTED_OUTCOMES = {"fixed", "improved", "no_effect", "rolled_back"}


async def run_runbook_command(cluster_harness: ClusterHarness, folder: Path, *args: str) -> None:
    """Run a command of the runbook to its end, which has to be a good one."""
    log = folder / f"{args[0]}.log"
    code = await run_mapek(cluster_harness.harness.stack.state.config_file, log, *args)
    assert code == 0, process.last_lines(log)


async def test_store_and_schedules_are_lost_and_restored(cluster_harness: ClusterHarness, tmp_path: Path) -> None:
    """After back-up, loss, restore and bootstrap nothing learned is missing, and the next incident is healed."""
    world = cluster_harness.harness
    await heal_incident(cluster_harness)
    backup = tmp_path / "backup.db"
    await run_runbook_command(cluster_harness, tmp_path, "backup", str(backup))
    learned = await world.store.outcomes.load_recent("charter")
    assert learned, "there is something to lose"
    await destroy_state(cluster_harness)

    began = time.time()
    await run_runbook_command(cluster_harness, tmp_path, "restore", str(backup))
    await run_runbook_command(cluster_harness, tmp_path, "bootstrap")
    await asyncio.gather(world.stack.start_service("worker"), cluster_harness.second_worker.start())
    await world.wait_for_cycle(["healthy"], began, 120.0)
    took = time.time() - began
    print(f"at work again {took:.1f} s after the restore began")
    assert took < RTO_SECONDS

    assert await world.store.outcomes.load_recent("charter") == learned
    assert await world.store.audit.verify_chain() is None
    await heal_incident(cluster_harness)


async def heal_incident(cluster_harness: ClusterHarness) -> None:
    """Let an incident happen and be healed."""
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
