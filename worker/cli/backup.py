"""Verbs that keep the store safe: back-up and restore, from SQLite or PostgreSQL into either."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from activities.clients.store.copying import copy
from activities.clients.store.store import Store, open_store
from activities.model.errors import NotFound, Rejected, StoreUnavailable
from worker.cli import output
from worker.cli.session import of, verb

UNFINISHED = ".backup-"
"""What the name of the folder begins with in which a copy is made."""

BackUp = Annotated[Path, typer.Argument(metavar="FILE", help="The back-up.")]


@verb
async def backup(ctx: typer.Context, file: BackUp) -> None:
    """Copy the store, as it is at one moment, into a file; what stood there is replaced once the copy is whole.

    An empty store replaces no back-up: it may be the one that is about to be restored.
    """
    async with of(ctx).store() as store:
        beside = file.absolute().parent
        for left in beside.glob(f"{UNFINISHED}*"):
            # Of a back-up that was killed. Two at once onto one file would be in each other's way anyhow.
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=beside) as folder:
            made = Path(folder) / "store.db"
            target = await open_store(made)
            try:
                rows = await copy(store, target)
                await sound(target, str(file))
            finally:
                await target.close()
            if not rows and file.exists():
                raise Rejected(f"the store is empty, and {file} stays as it is")
            made.replace(file)
    output.line(f"{rows} rows in {file}")


@verb
async def restore(ctx: typer.Context, file: BackUp) -> None:
    """Put a back-up into the configured store, which has to be empty; then run `mapek bootstrap`."""
    if not file.is_file():
        raise NotFound(f"there is no back-up at {file}")
    source = await open_store(file)
    try:
        async with of(ctx).store(create=True) as store:
            await sound(source, str(file))
            rows = await copy(source, store)
            await sound(store, "the restored store")
    finally:
        await source.close()
    output.line(f"{rows} rows restored; now run `mapek bootstrap`, then start the workers")


async def sound(store: Store, what: str) -> None:
    """Return if the audit of a store is as it was written. Raises StoreUnavailable."""
    broken = await store.audit.verify_chain()
    if broken is not None:
        raise StoreUnavailable(
            f"{what}: audit row {broken} is not what was written; find out who changed it, and use another back-up"
        )
