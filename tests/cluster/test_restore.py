"""Everything but the configuration and a back-up is lost; it is put back by the runbook's commands, and heals."""

import asyncio
import time
from pathlib import Path

from deploy.devstack import process
from tests.cluster.harness import Clustered, mapek
from workflows import names

RTO = 1800.0
"""Seconds in which the loop has to be at work again."""
KEPT = {"fixed", "improved", "no_effect", "rolled_back"}


async def typed(run: Clustered, folder: Path, *args: str) -> None:
    """Run a command of the runbook to its end, which has to be a good one."""
    log = folder / f"{args[0]}.log"
    code = await mapek(run.world.stack.state.config_file, log, *args)
    assert code == 0, process.tail(log)


async def test_store_and_schedules_are_lost_and_restored(run: Clustered, tmp_path: Path) -> None:
    """After back-up, loss, restore and bootstrap nothing learned is missing, and the next incident is healed."""
    world = run.world
    await heal_one(run)
    backup = tmp_path / "backup.db"
    await typed(run, tmp_path, "backup", str(backup))
    learned = await world.store.outcomes.recent("charter")
    assert learned, "there is something to lose"
    await lose(run)

    began = time.time()
    await typed(run, tmp_path, "restore", str(backup))
    await typed(run, tmp_path, "bootstrap")
    await asyncio.gather(world.stack.start_part("worker"), run.second.start())
    await world.cycle(["healthy"], began, 120.0)
    took = time.time() - began
    print(f"at work again {took:.1f} s after the restore began")
    assert took < RTO

    assert await world.store.outcomes.recent("charter") == learned
    assert await world.store.audit.verify_chain() is None
    await heal_one(run)


async def heal_one(run: Clustered) -> None:
    """Let an incident happen and be healed."""
    since = await run.world.strike("overload", "policy-engine")
    remedy = await run.world.remedy(since, 60.0)
    assert (await remedy.ended(120.0)).outcome in KEPT
    await run.world.rest()


async def lose(run: Clustered) -> None:
    """Kill both workers, drop the store, and delete the schedules and the intake."""
    client = run.world.client
    await run.world.stack.kill("worker")
    await run.second.kill()
    for schedule in (names.schedule_id("charter"), names.upkeep_schedule_id("charter")):
        await client.get_schedule_handle(schedule).delete()
    await client.get_workflow_handle(names.intake_id("charter")).terminate("lost")
    await run.cluster.postgres.execute("DROP DATABASE mapek WITH (FORCE)")
    await run.cluster.postgres.execute("CREATE DATABASE mapek")
