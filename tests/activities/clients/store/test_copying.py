"""Back-up, restore, and moving between SQLite and PostgreSQL: the copy is the store, and goes on as it would."""

import asyncio
from pathlib import Path

import pytest

from activities.clients.store.copying import copy
from activities.clients.store.store import Store, open_store
from activities.model.errors import Rejected
from activities.model.mode import Mode, ModeName
from tests.support.model_builders import attempt, ending, plan, rung


async def filled(store: Store) -> None:
    """Put something into every table."""
    await store.plans.put(plan(), 1010.0)
    await store.guards.start_rung("charter", "committee", (1000.0, 1010.0), rung(), 1010.0)
    for number in range(450):
        await store.audit.append(attempt(attempt=number))
    await store.finish(ending(cooldown_until=2000.0))
    await store.guards.set_mode(Mode(loop="charter", name=ModeName.ACT, who="me", why="now", at=1.0))
    await store.guards.quarantine("charter", "other", "charter", "rollback failed", 1200.0)


async def test_the_copy_is_the_store(address: str, tmp_path: Path):
    """Out to a file and back into either database: all is there, the audit is whole and goes on growing."""
    first, backup = await open_store("memory"), await open_store(tmp_path / "backup.db")
    await filled(first)
    rows = await copy(first, backup)
    restored = await open_store(address)
    assert await copy(backup, restored) == rows > 450
    for same in (
        lambda store: store.plans.get("a" * 12),
        lambda store: store.outcomes.of_plan("a" * 12),
        lambda store: store.outcomes.experience("charter"),
        lambda store: store.audit.of_loop("charter", 1000),
        lambda store: store.guards.state("charter", 1500.0),
        lambda store: store.guards.mode("charter"),
    ):
        assert await same(restored) == await same(first)
    await restored.audit.append(attempt(at=3000.0))
    assert await restored.audit.verify_chain() is None
    for store in (first, backup, restored):
        await store.close()


async def test_what_holds_something_is_not_overwritten(address: str):
    """A restore into a store in use is refused, and changes nothing."""
    first, standing = await open_store("memory"), await open_store(address)
    await filled(first)
    await standing.audit.append(attempt())
    with pytest.raises(Rejected, match="audit"):
        await copy(first, standing)
    assert await standing.outcomes.of_plan("a" * 12) is None
    for store in (first, standing):
        await store.close()


async def test_a_backup_under_writes_is_of_one_moment(address: str, tmp_path: Path):
    """Whoever writes meanwhile is neither held up nor half in the copy."""
    busy, backup = await open_store(address), await open_store(tmp_path / "backup.db")
    await filled(busy)
    await asyncio.gather(copy(busy, backup), *(busy.audit.append(attempt(at=float(n))) for n in range(50)))
    assert await backup.audit.verify_chain() is None
    assert len(await busy.audit.of_loop("charter", 1000)) == 453 + 50
    for store in (busy, backup):
        await store.close()
