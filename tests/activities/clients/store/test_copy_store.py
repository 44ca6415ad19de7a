"""Back-up, restore, and moving between SQLite and PostgreSQL: the copy is the store, and goes on as it would."""

import asyncio
from pathlib import Path

import pytest

from activities.clients.store.copy_store import copy_store
from activities.clients.store.store import Store, open_store
from activities.model.errors import Rejected
from activities.model.mode import LoopMode, Mode
from tests.support.model_builders import make_attempt_row, make_outcome_transaction, make_plan, make_rung


async def fill_store(store: Store) -> None:
    """Put something into every table."""
    await store.plans.put(make_plan(), 1010.0)
    await store.guards.start_rung("charter", "committee", (1000.0, 1010.0), make_rung(), 1010.0)
    for number in range(450):
        await store.audit.append(make_attempt_row(attempt=number))
    await store.close_remediation(make_outcome_transaction(cooldown_until=2000.0))
    await store.guards.set_mode(Mode(loop="charter", name=LoopMode.ACT, actor="me", reason="now", at=1.0))
    await store.guards.quarantine("charter", "other", "charter", "rollback failed", 1200.0)


async def test_the_copy_is_the_store(store_address: str, tmp_path: Path):
    """Out to a file and back into either database: all is there, the audit is whole and goes on growing."""
    first, backup = await open_store("memory"), await open_store(tmp_path / "backup.db")
    await fill_store(first)
    rows = await copy_store(first, backup)
    restored = await open_store(store_address)
    assert await copy_store(backup, restored) == rows > 450
    for same in (
        lambda store: store.plans.get("a" * 12),
        lambda store: store.outcomes.load_for_plan("a" * 12),
        lambda store: store.outcomes.load_experience("charter"),
        lambda store: store.audit.load_for_loop("charter", 1000),
        lambda store: store.guards.load_state("charter", 1500.0),
        lambda store: store.guards.load_mode("charter"),
    ):
        assert await same(restored) == await same(first)
    await restored.audit.append(make_attempt_row(at=3000.0))
    assert await restored.audit.verify_chain() is None
    for store in (first, backup, restored):
        await store.close()


async def test_what_holds_something_is_not_overwritten(store_address: str):
    """A restore into a store in use is refused, and changes nothing."""
    first, standing = await open_store("memory"), await open_store(store_address)
    await fill_store(first)
    await standing.audit.append(make_attempt_row())
    with pytest.raises(Rejected, match="audit"):
        await copy_store(first, standing)
    assert await standing.outcomes.load_for_plan("a" * 12) is None
    for store in (first, standing):
        await store.close()


async def test_a_backup_under_writes_is_of_one_moment(store_address: str, tmp_path: Path):
    """Whoever writes meanwhile is neither held up nor half in the copy."""
    busy, backup = await open_store(store_address), await open_store(tmp_path / "backup.db")
    await fill_store(busy)
    await asyncio.gather(
        copy_store(busy, backup), *(busy.audit.append(make_attempt_row(at=float(n))) for n in range(50))
    )
    assert await backup.audit.verify_chain() is None
    assert len(await busy.audit.load_for_loop("charter", 1000)) == 453 + 50
    for store in (busy, backup):
        await store.close()
