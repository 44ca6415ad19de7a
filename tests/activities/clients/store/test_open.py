"""Opening, migrating, and what a database that fails looks like."""

import asyncio
import stat
import threading
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select, text

from activities.clients.store.schema import audit, metadata
from activities.clients.store.store import Store, open_store
from activities.model.errors import ConfigurationError, StoreUnavailable
from deploy.devstack.postgres import Postgres
from tests.support.model_builders import make_attempt_row, make_outcome_transaction

COUNT_AUDIT_ROWS = select(func.count()).select_from(audit)


async def test_migrations_make_the_tables_of_the_schema(store: Store) -> None:
    """What the migrations built is what the code expects, column for column."""
    difference = await store.database.read(lambda c: compare_metadata(MigrationContext.configure(c), metadata))
    assert difference == []


async def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    """File, log, lock and new folders are closed to others."""
    path = tmp_path / "new" / "folder" / "knowledge.db"
    store = await open_store(path)
    await store.audit.append(make_attempt_row())
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (path.parent, path.parent.parent, *path.parent.iterdir())}
    await store.close()
    assert modes.pop("folder") == modes.pop("new") == 0o700
    assert set(modes) >= {"knowledge.db", "knowledge.db-wal", "knowledge.db.lock"}
    assert set(modes.values()) == {0o600}


async def test_what_is_written_outlives_the_store(store_address: str) -> None:
    """What was written is read by the next process, and opening again changes nothing."""
    first = await open_store(store_address)
    await first.close_remediation(make_outcome_transaction())
    await first.close()
    second = await open_store(store_address)
    assert await second.outcomes.load_for_plan("a" * 12) == make_outcome_transaction().outcome
    assert await second.audit.verify_chain() is None
    await second.close()


async def test_a_journal_that_is_fast_and_safe(database_path: Path) -> None:
    """WAL, NORMAL and foreign keys are in force on every connection."""
    store = await open_store(database_path)
    for name, value in (("journal_mode", "wal"), ("synchronous", 1), ("foreign_keys", 1)):
        query = text(f"PRAGMA {name}")
        assert await store.database.read(partial(Connection.scalar, statement=query)) == value
    await store.close()


async def test_concurrent_processes_open_a_new_store(store_address: str) -> None:
    """Processes that start together migrate without interference."""
    stores = await asyncio.gather(*(open_store(store_address) for _ in range(5)))
    await asyncio.gather(*(store.audit.append(make_attempt_row(at=float(i))) for i, store in enumerate(stores)))
    assert len(await stores[0].audit.load_for_loop("charter")) == 5
    assert await stores[0].audit.verify_chain() is None
    await asyncio.gather(*(store.close() for store in stores))


async def test_one_process_opens_several_new_stores(tmp_path: Path) -> None:
    """The migrations of several databases in one process do not interfere."""
    for round_ in range(3):
        stores = await asyncio.gather(*(open_store(tmp_path / f"{round_}-{number}.db") for number in range(6)))
        assert [await store.audit.load_for_loop("charter") for store in stores] == [()] * 6
        await asyncio.gather(*(store.close() for store in stores))


async def test_a_newer_schema_is_refused(store_address: str) -> None:
    """A schema that this code does not know is not changed."""
    store = await open_store(store_address)
    await store.database.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    await store.close()
    with pytest.raises(ConfigurationError, match="9999"):
        await open_store(store_address)


async def test_a_locked_database_is_unavailable(store_address: str) -> None:
    """The lock of another process is reported, and the next call works."""
    other, store = await open_store(store_address), await open_store(store_address, busy_seconds=0.05)
    locked, released = threading.Event(), threading.Event()

    def hold(_: Connection) -> None:
        locked.set()
        released.wait(10.0)

    holding = asyncio.create_task(other.database.write(hold))
    await asyncio.to_thread(locked.wait, 10.0)
    with pytest.raises(StoreUnavailable, match="lock"):
        await store.close_remediation(make_outcome_transaction())
    assert await store.outcomes.load_for_plan("a" * 12) is None
    released.set()
    await holding
    assert await store.close_remediation(make_outcome_transaction()) == make_outcome_transaction().outcome
    for opened in (store, other):
        await opened.close()


async def test_a_read_is_of_one_moment(store_address: str) -> None:
    """What one transaction reads does not change under it, however many write meanwhile."""
    reader, writer = await open_store(store_address), await open_store(store_address)

    def read_twice(connection: Connection) -> list[int]:
        counts = [connection.execute(COUNT_AUDIT_ROWS).scalar_one()]
        asyncio.run_coroutine_threadsafe(writer.audit.append(make_attempt_row()), loop).result(10.0)
        return [*counts, connection.execute(COUNT_AUDIT_ROWS).scalar_one()]

    loop = asyncio.get_running_loop()
    assert await reader.database.read(read_twice) == [0, 0]
    assert len(await reader.audit.load_for_loop("charter")) == 1
    for opened in (reader, writer):
        await opened.close()


async def test_writers_of_two_processes_take_turns(store_address: str) -> None:
    """A writer reads the rows of the writer before it: the audit chain stays intact."""
    stores = [await open_store(store_address) for _ in range(3)]
    await asyncio.gather(*(store.audit.append(make_attempt_row(at=float(i))) for i in range(20) for store in stores))
    assert await stores[0].audit.verify_chain() is None
    assert len(await stores[0].audit.load_for_loop("charter")) == 60
    for opened in stores:
        await opened.close()


@pytest.mark.parametrize("any_address", ["file", "memory"], indirect=True)
async def test_a_full_disk_is_unavailable_and_writes_nothing(store: Store) -> None:
    """What does not fit is not written in part, and reading goes on."""
    await store.database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count = 1"))
    large = make_outcome_transaction(quarantine_reason="x" * 500_000)
    with pytest.raises(StoreUnavailable, match="full"):
        await store.close_remediation(large)
    assert await store.outcomes.load_for_plan("a" * 12) is None
    assert await store.audit.load_for_loop("charter") == ()


async def test_a_file_that_is_no_database_is_unavailable(database_path: Path) -> None:
    """Rubbish in place of the database is an error, not an empty store."""
    await asyncio.to_thread(database_path.write_bytes, b"rubbish " * 1000)
    with pytest.raises(StoreUnavailable):
        await open_store(database_path)


async def test_a_folder_in_its_place_is_unavailable(tmp_path: Path) -> None:
    """A path that cannot be opened is an error of the family."""
    with pytest.raises(StoreUnavailable):
        await open_store(tmp_path)


@pytest.mark.parametrize(
    "wrong", ["nonsense://x", "postgresql+nodriver://me:canary@x/y", "://", "postgresql://me:canary@x:port/y"]
)
async def test_an_address_that_is_none_is_refused(wrong: str) -> None:
    """A wrong address is a configuration error that does not show a password."""
    with pytest.raises(ConfigurationError) as caught:
        await open_store(wrong)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("place", ["127.0.0.1:9/y", "[/y", "nowhere.invalid/y"])
async def test_a_server_that_is_not_there_is_unavailable(place: str) -> None:
    """An unreachable or unknown database server is reported without the password."""
    with pytest.raises(StoreUnavailable) as caught:
        await open_store(f"postgresql://me:canary@{place}")
    assert "canary" not in str(caught.value)


async def test_a_killed_database_server_loses_nothing(postgres: Postgres, empty_database: str) -> None:
    """While PostgreSQL is gone the store is unavailable; when it is back the same store works, and all is there."""
    store = await open_store(empty_database)
    await store.close_remediation(make_outcome_transaction())
    await postgres.kill()
    with pytest.raises(StoreUnavailable):
        await store.audit.append(make_attempt_row())
    await postgres.start()
    assert await store.outcomes.load_for_plan("a" * 12) == make_outcome_transaction().outcome
    await store.audit.append(make_attempt_row())
    assert await store.audit.verify_chain() is None
    await store.close()


async def test_a_closed_store_is_unavailable(store: Store) -> None:
    """Closing twice is allowed; asking after it is an error of the family."""
    await store.close()
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.check_ready()


async def test_a_cancelled_write_happens_wholly_or_not_at_all(store: Store) -> None:
    """Cancelling the caller does not cut a transaction in two."""
    task = asyncio.create_task(store.close_remediation(make_outcome_transaction(cool_down_until=2000.0)))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    written = await store.close_remediation(make_outcome_transaction(cool_down_until=2000.0))
    assert written == make_outcome_transaction().outcome
    assert len(await store.audit.load_for_plan("a" * 12)) == 1
    assert (await store.guards.load_state("charter", 0.0)).knob("committee").cool_down_until == 2000.0


async def test_ready(store: Store) -> None:
    """An open store is ready."""
    await store.check_ready()
    assert await store.database.read(lambda c: c.scalar(text("SELECT 1"))) == 1
