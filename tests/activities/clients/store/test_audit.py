"""The audit: append-only, and every change to it shows."""

import asyncio
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from activities.clients.store.store import Store, open_store
from activities.model.audit import AuditEntry
from activities.model.errors import StoreUnavailable
from tests.support.model_builders import make_attempt_row

UNLOCK_STATEMENTS = {
    "sqlite": ("DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete"),
    "postgresql": ("DROP TRIGGER audit_no_change ON audit",),
}


async def execute_statements(store: Store, *statements: str) -> None:
    for statement in statements:
        await store.database.write(partial(Connection.exec_driver_sql, statement=statement))


async def append_rows(store: Store, count: int = 5) -> None:
    for i in range(count):
        await store.audit.append(make_attempt_row(attempt=i + 1, plan_id="ab"[i % 2] * 12))


async def test_rows_come_back_in_order(store: Store) -> None:
    """By plan all rows, by loop the last ones, both in the order they were written."""
    await append_rows(store)
    assert [e.attempt for e in await store.audit.load_for_plan("a" * 12)] == [1, 3, 5]
    assert [e.attempt for e in await store.audit.load_for_loop("charter", 2)] == [4, 5]
    assert await store.audit.load_for_loop("other") == ()


async def test_a_recent_row_about_a_knob_is_not_repeated(store: Store) -> None:
    """A row of the same kind about the same knob is not repeated while the last one is new; others are not hidden."""

    def row(at: float, knob: str = "committee", kind: str = "frozen") -> AuditEntry:
        return AuditEntry(at=at, kind=kind, loop="charter", knob=knob, summary=f"at {at:.0f}")

    for at in (1000.0, 1010.0, 5000.0):
        await store.audit.append_unless_recent(row(at), since=at - 3600.0)
    await store.audit.append_unless_recent(row(5001.0, knob="admission"), since=0.0)
    await store.audit.append_unless_recent(row(5002.0, kind="foreign-writer"), since=0.0)
    assert [e.at for e in await store.audit.load_for_loop("charter")] == [1000.0, 5000.0, 5001.0, 5002.0]
    newest = await store.audit.load_newest("charter", ("frozen", "foreign-writer"))
    assert {(e.kind, e.knob): e.at for e in newest} == {
        ("frozen", "committee"): 5000.0,
        ("frozen", "admission"): 5001.0,
        ("foreign-writer", "committee"): 5002.0,
    }
    assert await store.audit.load_newest("other", ("frozen",)) == ()


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET kind = 'x'", "DELETE FROM audit", "DELETE FROM audit WHERE id = 2"]
)
async def test_it_can_only_grow(store: Store, statement: str) -> None:
    """The database itself refuses to change or delete a row."""
    await append_rows(store)
    with pytest.raises(StoreUnavailable, match="append-only"):
        await execute_statements(store, statement)
    assert len(await store.audit.load_for_loop("charter")) == 5


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE audit SET body = replace(body, '1050.0', '1051.0') WHERE id = 3", 3),
        ("UPDATE audit SET plan_id = 'c' WHERE id = 2", 2),
        ("UPDATE audit SET kind = 'mode' WHERE id = 4", 4),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("DELETE FROM audit WHERE id = 3", 4),
        ("UPDATE audit SET id = CASE id WHEN 2 THEN 13 ELSE id END", 3),
        ("UPDATE audit SET hash = 'x' WHERE id = 5", 5),
    ],
)
async def test_a_changed_row_is_found(store: Store, statement: str, broken: int) -> None:
    """A change without the triggers breaks the chain at the changed row."""
    await append_rows(store)
    assert await store.audit.verify_chain() is None
    await execute_statements(store, *UNLOCK_STATEMENTS[await store.database.read(lambda c: c.dialect.name)], statement)
    assert await store.audit.verify_chain() == broken


async def test_an_empty_audit_is_intact(store: Store) -> None:
    """Nothing written, nothing broken."""
    assert await store.audit.verify_chain() is None


@given(st.builds(AuditEntry, kind=st.sampled_from(["attempt", "mode"]), at=st.floats(0, 1e10), loop=st.just("charter")))
@settings(max_examples=30, deadline=None)
def test_any_entry_survives(entry: AuditEntry) -> None:
    """Every entry is read as it was written, and the chain is intact."""

    async def there_and_back() -> tuple[tuple[AuditEntry, ...], int | None]:
        store = await open_store("memory")
        await store.audit.append(entry)
        result = await store.audit.load_for_loop("charter"), await store.audit.verify_chain()
        await store.close()
        return result

    assert asyncio.run(there_and_back()) == ((entry,), None)
