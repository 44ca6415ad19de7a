"""Verbs that keep the store safe: back-up and restore, from SQLite or PostgreSQL into either."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from activities.clients.store.copying import copy
from activities.clients.store.store import Store, open_store
from activities.model.errors import NotFound, StoreUnavailable
from worker.cli import show
from worker.cli.session import of, verb

BackUp = Annotated[Path, typer.Argument(metavar="FILE", help="The back-up.")]


@verb
async def backup(ctx: typer.Context, file: BackUp) -> None:
    """Copy the store, as it is at one moment, into a file; what stood there is replaced once the copy is whole."""
    async with of(ctx).store() as store:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.absolute().parent) as folder:
            made = Path(folder) / "store.db"
            target = await open_store(made)
            try:
                rows = await copy(store, target)
                await sound(target, str(file))
            finally:
                await target.close()
            made.replace(file)
    show.line(f"{rows} rows in {file}")


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
    show.line(f"{rows} rows restored; now run `mapek bootstrap`, then start the workers")


async def sound(store: Store, what: str) -> None:
    """Return if the audit of a store is as it was written. Raises StoreUnavailable."""
    broken = await store.audit.verify_chain()
    if broken is not None:
        raise StoreUnavailable(
            f"{what}: audit row {broken} is not what was written; find out who changed it, and use another back-up"
        )
