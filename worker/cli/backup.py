"""`mapek backup` and `mapek restore`: copy the store, between SQLite and PostgreSQL in any direction."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from activities.clients.store.copy_store import copy_store
from activities.clients.store.store import Store, open_store
from activities.model.errors import ConfigurationError, NotFound, Rejected, StoreUnavailable
from worker.cli import output, output_path
from worker.cli.session import async_command, current_session

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The back-up.")]


@async_command
async def backup(ctx: typer.Context, file: BackupFile) -> None:
    """Copy a consistent snapshot of the store into FILE. A former back-up is replaced once the copy is complete.

    An empty store does not replace a back-up, because it may be about to be restored. Other files are not replaced.
    """
    session = current_session(ctx)
    output_path.require_output_path(file, output_path.BACKUP, session.config.knowledge.sqlite_path)
    async with session.open_store() as store:
        with output_path.replaced_output(file, output_path.BACKUP, session.config.knowledge.sqlite_path) as copy:
            target = await open_store(copy)
            try:
                rows = await copy_store(store, target)
                await verify_audit(target, str(file))
            finally:
                await target.close()
            if not rows and file.exists():
                raise Rejected(f"the store is empty; {file} is unchanged")
            mark_backup(copy)
    output.print_line(f"{rows} rows in {file}")


@async_command
async def restore(ctx: typer.Context, file: BackupFile) -> None:
    """Copy a back-up into the configured store, which must be empty. Run `mapek bootstrap` afterwards."""
    session = current_session(ctx)
    if not file.is_file():
        raise NotFound(f"no back-up at {file}")
    knowledge = session.config.knowledge
    if knowledge.database == "sqlite" and knowledge.sqlite_path is not None:
        output_path.require_output_path(knowledge.sqlite_path, output_path.STORE, None)
        if knowledge.sqlite_path.exists() and file.samefile(knowledge.sqlite_path):
            raise ConfigurationError(f"{file} is the configured store itself; name a back-up of it")
    if not output_path.is_store(file):
        raise ConfigurationError(f"{file} is not a back-up; name a file that `mapek backup` wrote")
    parent = file.absolute().parent
    writable_parent = parent if os.access(parent, os.W_OK) else Path(tempfile.gettempdir())
    with output_path.private_folder(writable_parent) as folder:
        # Opening migrates the schema: of a copy, because the former version may need the back-up.
        copy = folder / output_path.UNFINISHED_NAME
        copy_database(file, copy)
        source = await open_store(copy)
        try:
            async with session.open_store(create=True) as store:
                await verify_audit(source, str(file))
                rows = await copy_store(source, store)
                await verify_audit(store, "the restored store")
        finally:
            await source.close()
    output.print_line(f"{rows} rows restored; now run `mapek bootstrap`, then start the workers")


def mark_backup(file: Path) -> None:
    """Mark a closed database as a back-up, in one file that can be read from a read-only disk."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute(f"PRAGMA application_id={output_path.BACKUP_APPLICATION_ID}")


def copy_database(file: Path, target: Path) -> None:
    """Copy an SQLite database with its write-ahead log, without a change to it. Raises StoreUnavailable."""
    try:
        with closing(output_path.connect_unchanged(file)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{file} cannot be read: {error}; use another back-up") from error


async def verify_audit(store: Store, store_name: str) -> None:
    """Verify the hash chain of a store's audit. Raises StoreUnavailable."""
    broken_row = await store.audit.verify_chain()
    if broken_row is not None:
        raise StoreUnavailable(
            f"{store_name}: audit row {broken_row} was changed after writing; investigate, and use another back-up"
        )
