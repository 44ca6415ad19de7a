"""The database of the store: one writer, some readers, and the one place where its errors become `StoreUnavailable`.

Blocking work runs on the store's own threads, never on the event loop. All writes of a process share one thread, and
each is one transaction that takes the writer's lock as it begins (`BEGIN IMMEDIATE`, or an advisory lock of
PostgreSQL), so that what it reads first cannot change before it writes. A cancelled call leaves a transaction that
has begun to end by itself.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, StaticPool, Table, create_engine, event, insert, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from activities.model.base import clipped
from activities.model.errors import StoreUnavailable

T = TypeVar("T")

READERS = 4
"""Reading threads: one for each of the activities that usually run at once."""
WRITES = "mapek_writes"
"""Execution option of the engine whose transactions write."""
ADVISORY_LOCK = 0x6D6170656B
"""PostgreSQL's name of the writer's lock."""


class Database:
    """An open database. Every call raises StoreUnavailable if it is locked, full, missing, corrupt or closed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._writes = ThreadPoolExecutor(1, "store-write")
        # In memory there is one connection: readers take their turn with the writer.
        alone = isinstance(engine.pool, StaticPool)
        self._reads = self._writes if alone else ThreadPoolExecutor(READERS, "store-read")
        self._closed = False

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, run in one transaction that only reads."""
        return await self._run(self._reads, self._engine, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, run in one transaction; if it raises, nothing was written."""
        return await self._run(self._writes, self._writer, work)

    async def close(self) -> None:
        """Let running work end and close all connections; closing twice is allowed."""
        self._closed = True
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._reads.shutdown()
        self._writes.shutdown()
        self._engine.dispose()

    async def _run(self, threads: ThreadPoolExecutor, engine: Engine, work: Callable[[Connection], T]) -> T:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(threads, _within, engine, work)


def _within(engine: Engine, work: Callable[[Connection], T]) -> T:
    with mapped(), engine.begin() as connection:
        return work(connection)


@contextmanager
def mapped() -> Iterator[None]:
    """Turn whatever the database raises into StoreUnavailable."""
    try:
        yield
    except DBAPIError as error:
        raise StoreUnavailable(clipped(f"{type(error.orig).__name__}: {error.orig}")) from error
    except PoolTimeout as error:
        raise StoreUnavailable("no connection to the database became free") from error


def new_engine(url: URL, busy_seconds: float) -> Engine:
    """Return an engine; nothing is opened yet. `busy_seconds` is how long a locked SQLite database is waited for."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, busy_seconds)
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=READERS + 1)

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        if connection.get_execution_options().get(WRITES):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")

    return engine


def _sqlite(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool if url.database else StaticPool,
        connect_args={"check_same_thread": False, "timeout": busy_seconds},
    )

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def upsert(connection: Connection, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Set `values` on the row with `key`, which is added if there is none. Writers take turns, so nothing can race."""
    changed = connection.execute(update(table).where(*(table.c[k] == v for k, v in key.items())).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(table).values(**key, **values))
