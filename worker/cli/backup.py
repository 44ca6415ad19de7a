"""`mapek backup` and `mapek restore`: copy the store, between SQLite and PostgreSQL in any direction."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from activities.clients.store.copy_store import copy_store
from activities.clients.store.store import Store, open_store
from activities.model.errors import NotFound, Rejected, StoreUnavailable
from worker.cli import output
from worker.cli.session import async_command, current_session

TEMP_FOLDER_PREFIX = ".backup-"
"""Prefix of the temporary folder beside the back-up file."""

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The back-up.")]


@async_command
async def backup(ctx: typer.Context, file: BackupFile) -> None:
    """Copy a consistent snapshot of the store into FILE. An existing file is replaced once the copy is complete.

    An empty store does not replace a back-up, because it may be about to be restored.
    """
    async with current_session(ctx).open_store() as store:
        parent = file.absolute().parent
        for leftover in parent.glob(f"{TEMP_FOLDER_PREFIX}*"):
            # Of a back-up that was killed. Two simultaneous back-ups into one file are not supported.
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=TEMP_FOLDER_PREFIX, dir=parent) as folder:
            copy = Path(folder) / "store.db"
            target = await open_store(copy)
            try:
                rows = await copy_store(store, target)
                await verify_audit(target, str(file))
            finally:
                await target.close()
            if not rows and file.exists():
                raise Rejected(f"the store is empty; {file} is unchanged")
            copy.replace(file)
    output.print_line(f"{rows} rows in {file}")


@async_command
async def restore(ctx: typer.Context, file: BackupFile) -> None:
    """Copy a back-up into the configured store, which must be empty. Run `mapek bootstrap` afterwards."""
    if not file.is_file():
        raise NotFound(f"no back-up at {file}")
    source = await open_store(file)
    try:
        async with current_session(ctx).open_store(create=True) as store:
            await verify_audit(source, str(file))
            rows = await copy_store(source, store)
            await verify_audit(store, "the restored store")
    finally:
        await source.close()
    output.print_line(f"{rows} rows restored; now run `mapek bootstrap`, then start the workers")


async def verify_audit(store: Store, store_name: str) -> None:
    """Verify the hash chain of a store's audit. Raises StoreUnavailable."""
    broken_row = await store.audit.verify_chain()
    if broken_row is not None:
        raise StoreUnavailable(
            f"{store_name}: audit row {broken_row} was changed after writing; investigate, and use another back-up"
        )
