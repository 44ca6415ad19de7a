"""The database of the store: one writer, some readers, and the one place where its errors become `StoreUnavailable`.

Blocking work runs on the store's own threads, never on the event loop. All writes of a process share one thread, and
each is one transaction that takes the writer's lock first (`BEGIN IMMEDIATE`, or an advisory lock of PostgreSQL), so
that the rows it reads cannot change before it writes. The transaction of a cancelled call runs to its end.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, QueuePool, StaticPool, Table, create_engine, event, insert, update
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from activities.model.errors import StoreUnavailable
from activities.model.types import truncate

T = TypeVar("T")

READER_THREADS = 4
"""Reading threads: one for each activity that usually runs at the same time."""
WRITE_OPTION = "mapek_writes"
"""Execution option of the engine whose transactions write."""
ADVISORY_LOCK_ID = 0x6D6170656B
"""The writer's lock on PostgreSQL."""
LOCK_STATEMENT = f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK_ID})"
"""Takes the writer's lock until the end of the transaction."""
CONNECT_TIMEOUT_SECONDS = 5
"""Limit for a new connection to PostgreSQL."""
TCP_USER_TIMEOUT_SECONDS = 10
"""A connection to PostgreSQL without an acknowledgement ends after this; the kernel would retry for minutes."""
IDLE_TRANSACTION_TIMEOUT_SECONDS = 10
"""PostgreSQL ends a transaction that is idle for longer; ours take milliseconds."""
STALE_CONNECTION_ERRORS = {
    "25006": "the server is now a standby",
    "25P03": "the server ended an idle transaction",
    "26000": "a pooler changed the server connection",
    "42P05": "a pooler changed the server connection",
    "57P01": "the server was shut down",
    "57P02": "the server crashed",
    "57P03": "the server is starting or stopping",
    "57P05": "the server ended an idle session",
}
"""SQLSTATE of the errors that a repeat on the same connection would raise again, with the reason.

All connections of the pool are closed, and the next call connects again. Source: PostgreSQL, "Error Codes".
"""


class FileIdentity(NamedTuple):
    """What the file system knows a file by, under any name."""

    device: int
    inode: int


class Database:
    """An open database. Every call raises StoreUnavailable if it is locked, full, missing, corrupt or closed."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = writer_engine(engine)
        self._writes = ThreadPoolExecutor(1, "store-write")
        # A store in memory has one connection: readers and the writer take turns.
        has_one_connection = isinstance(engine.pool, StaticPool)
        self._reads = self._writes if has_one_connection else ThreadPoolExecutor(READER_THREADS, "store-read")
        self._closed = False
        self._path = engine.url.database if engine.dialect.name == "sqlite" else None
        self.file_identity = find_identity(self._path)
        """The open SQLite file; None for PostgreSQL and a store in memory."""
        if self._path:
            # Before the other listener, which would write to the other file.
            event.listen(engine, "connect", self._refuse_another_file, insert=True)

    def check_file(self) -> None:
        """Return if the path of the SQLite file still leads to the open file.

        Raises:
            StoreUnavailable: the file was replaced, moved or removed. Rows written now are in no file of this path.
        """
        present = find_identity(self._path)
        if present != self.file_identity:
            opened, found = (identity.inode if identity else "none" for identity in (self.file_identity, present))
            raise StoreUnavailable(
                f"the store's file was swapped: inode {opened} is open, the path has {found}; stop the workers, "
                f"put the right file at the path, start them: {self._path}"
            )

    def _refuse_another_file(self, connection: Any, _record: object) -> None:
        """Check a new connection: with two files open, reads would miss what was written."""
        try:
            self.check_file()
        except StoreUnavailable:
            connection.close()
            raise

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction that only reads, and return its result."""
        return await self._run(self._reads, self._engine, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction, and return its result. If it raises, nothing is written."""
        return await self._run(self._writes, self._writer, work)

    def write_sync(self, work: Callable[[Connection], T]) -> T:
        """Do what `write` does on the caller's thread, which it blocks."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return _run_transaction(self._writer, work)

    async def close(self) -> None:
        """Close all connections after the running transactions. A repeat does nothing."""
        self._closed = True
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._reads.shutdown()
        self._writes.shutdown()
        self._engine.dispose()

    async def _run(self, executor: ThreadPoolExecutor, engine: Engine, work: Callable[[Connection], T]) -> T:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(executor, _run_transaction, engine, work)


def find_identity(path: str | None) -> FileIdentity | None:
    """Return the identity of the file that a path leads to, None without a path or a file."""
    try:
        state = Path(path).stat() if path else None
    except OSError:
        return None
    return FileIdentity(state.st_dev, state.st_ino) if state else None


def _run_transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    with map_errors(), engine.begin() as connection:
        return work(connection)


@contextmanager
def map_errors() -> Iterator[None]:
    """Raise every error of the database as StoreUnavailable."""
    try:
        yield
    except DBAPIError as error:
        reason = STALE_CONNECTION_ERRORS.get(find_sqlstate(error.orig))
        text = truncate(f"{type(error.orig).__name__}: {error.orig}")
        raise StoreUnavailable(f"{text}; {reason}, the next call connects again" if reason else text) from error
    except PoolTimeout as error:
        raise StoreUnavailable("no database connection became free in time") from error


def find_sqlstate(error: BaseException | None) -> str:
    """Return the SQLSTATE of a driver's error, "" if it has none."""
    return getattr(error, "sqlstate", None) or ""


def build_engine(url: URL, busy_seconds: float) -> Engine:
    """Return an engine that is not connected yet. `busy_seconds` limits the wait for a lock."""
    return (
        _build_sqlite_engine(url, busy_seconds)
        if url.get_backend_name() == "sqlite"
        else _build_postgresql_engine(url, busy_seconds)
    )


def _build_postgresql_engine(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=READER_THREADS + 1,
        # A transaction reads the state of one moment, as in SQLite.
        isolation_level="REPEATABLE READ",
        connect_args={
            "application_name": "mapek",
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "tcp_user_timeout": TCP_USER_TIMEOUT_SECONDS * 1000,
            # A standby refuses writes, and its rows may be old. With several hosts in the URL the primary is used.
            "target_session_attrs": "read-write",
            # A pooler may give each transaction another server connection, which does not know our statements.
            "prepare_threshold": None,
        },
    )
    begin = _list_begin_statements(busy_seconds)

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITE_OPTION)
        connection.exec_driver_sql("; ".join(begin if not writes else [*begin, LOCK_STATEMENT]))

    @event.listens_for(engine, "handle_error")
    def _(context: ExceptionContext) -> None:
        if find_sqlstate(context.original_exception) in STALE_CONNECTION_ERRORS:
            context.is_disconnect = True

    return engine


def _list_begin_statements(busy_seconds: float) -> list[str]:
    """Return the settings of one transaction. A pooler would refuse them as start-up options of the connection."""
    return [
        # A process that is stopped while it holds the writer's lock would block every other writer.
        f"SET LOCAL lock_timeout = {busy_seconds * 1000:.0f}",
        f"SET LOCAL idle_in_transaction_session_timeout = {IDLE_TRANSACTION_TIMEOUT_SECONDS * 1000}",
    ]


def writer_engine(engine: Engine) -> Engine:
    """Return the engine for transactions that write: each begins with the writer's lock.

    On PostgreSQL each of their statements reads the newest committed rows: a snapshot of the whole transaction would be
    from before it got the lock.
    """
    options = {"isolation_level": "READ COMMITTED"} if engine.dialect.name == "postgresql" else {}
    return engine.execution_options(**{WRITE_OPTION: True}, **options)


def _build_sqlite_engine(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool if url.database else StaticPool,
        connect_args={"check_same_thread": False, "timeout": busy_seconds},
    )

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not start transactions
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITE_OPTION)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def upsert(connection: Connection, table: Table, key: dict[str, Any], values: dict[str, Any]) -> None:
    """Update the row with `key`, or insert it. Writers take turns, so no other writer can interfere."""
    changed = connection.execute(update(table).where(*(table.c[k] == v for k, v in key.items())).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(table).values(**key, **values))
