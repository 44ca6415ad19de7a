"""Opening: the address of the database, its file mode, and the migration of its schema."""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from activities.clients.store.engine import Database, build_engine, map_errors, writer_engine
from activities.model.errors import ConfigurationError, StoreUnavailable

MIGRATIONS_FOLDER = Path(__file__).parent / "migrations"
_UPGRADE_LOCK = threading.Lock()
"""Alembic keeps its environment in a global variable: threads that open databases must take turns."""
MEMORY_ADDRESS = "memory"
POSTGRESQL_SCHEMES = ("postgresql", "postgres")
"""Schemes of PostgreSQL; the library would choose a driver for them that is not installed."""


def open_database(address: str, busy_seconds: float) -> Database:
    """Return the database at `address` with its schema migrated. Blocks.

    `address` is `memory`, a database URL or the path of an SQLite file. A new file is readable for this user only.
    Several processes may open it at the same time.

    Raises:
        ConfigurationError: the address is invalid, its driver is missing, or the schema is newer than this code.
        StoreUnavailable: the database cannot be opened.
    """
    url = _parse_url(address)
    is_file = url.get_backend_name() == "sqlite" and url.database
    try:
        with map_errors(), _hold_file_lock(Path(str(url.database))) if is_file else nullcontext():
            engine = build_engine(url, busy_seconds)
            try:
                _upgrade(engine)
            except BaseException:
                engine.dispose()
                raise
    except OSError as error:
        raise StoreUnavailable(f"cannot open {url.database}: {error.strerror}") from error
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigurationError(
            f"invalid knowledge database: no driver for {url.drivername} is installed ({error})"
        ) from error
    return Database(engine)


def _parse_url(address: str) -> URL:
    if address == MEMORY_ADDRESS:
        return URL.create("sqlite")
    if "://" not in address:
        return URL.create("sqlite", database=address)
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        # The address may hold a password, and the library's message holds the address.
        raise ConfigurationError("invalid database URL: use dialect://user:password@host/name") from None
    if url.drivername in POSTGRESQL_SCHEMES:
        return url.set(drivername="postgresql+psycopg")
    return URL.create("sqlite") if url.drivername == "sqlite" and url.database == ":memory:" else url


@contextmanager
def _hold_file_lock(path: Path) -> Iterator[None]:
    """Hold the lock beside the database file, and create the file if it is missing.

    The lock is a separate file: closing a handle of the database would drop the locks of SQLite. It also covers the
    switch to WAL, for which SQLite does not wait.
    """
    for folder in reversed([f for f in path.parents if not f.exists()]):
        folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        yield
    finally:
        os.close(lock)


def _upgrade(engine: Engine) -> None:
    config = Config()
    # The configuration parser would interpolate a percent sign in the path.
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER).replace("%", "%%"))
    with writer_engine(engine).begin() as connection:
        _refuse_newer_schema(connection, config)
        config.attributes["connection"] = connection
        with _UPGRADE_LOCK:
            command.upgrade(config, "head")


def _refuse_newer_schema(connection: Connection, config: Config) -> None:
    present = MigrationContext.configure(connection).get_current_revision()
    try:
        ScriptDirectory.from_config(config).get_revision(present or "base")
    except CommandError as error:
        raise ConfigurationError(f"the store has schema {present!r}, newer than this program: update it") from error
