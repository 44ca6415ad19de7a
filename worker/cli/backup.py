"""Verbs that keep the store safe: back-up and restore, from SQLite or PostgreSQL into either."""

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
"""What the name of the folder begins with in which a copy is made."""

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", help="The back-up.")]


@async_command
async def backup(ctx: typer.Context, file: BackupFile) -> None:
    """Copy the store, as it is at one moment, into a file; what stood there is replaced once the copy is whole.

    An empty store replaces no back-up: it may be the one that is about to be restored.
    """
    async with current_session(ctx).open_store() as store:
        beside = file.absolute().parent
        for left in beside.glob(f"{TEMP_FOLDER_PREFIX}*"):
            # Of a back-up that was killed. Two at once onto one file would be in each other's way anyhow.
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=TEMP_FOLDER_PREFIX, dir=beside) as folder:
            made = Path(folder) / "store.db"
            target = await open_store(made)
            try:
                rows = await copy_store(store, target)
                await verify_audit(target, str(file))
            finally:
                await target.close()
            if not rows and file.exists():
                raise Rejected(f"the store is empty, and {file} stays as it is")
            made.replace(file)
    output.print_line(f"{rows} rows in {file}")


@async_command
async def restore(ctx: typer.Context, file: BackupFile) -> None:
    """Put a back-up into the configured store, which has to be empty; then run `mapek bootstrap`."""
    if not file.is_file():
        raise NotFound(f"there is no back-up at {file}")
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
    """Return if the audit of a store is as it was written. Raises StoreUnavailable."""
    broken = await store.audit.verify_chain()
    if broken is not None:
        raise StoreUnavailable(
            f"{store_name}: audit row {broken} is not what was written; find out who changed it, and use another back-up"
        )
