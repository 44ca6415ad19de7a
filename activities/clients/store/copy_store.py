"""A copy of the whole store in another database, of either kind: back-up, restore, and moving to PostgreSQL."""

from sqlalchemy import Connection, func, insert, select, text

from activities.clients.store.schema import audit, metadata
from activities.clients.store.store import Store
from activities.model.errors import Rejected

BATCH_ROWS = 200
"""Rows copied at a time: a snapshot may have a megabyte."""


async def copy_store(source: Store, target: Store) -> int:
    """Copy everything into a store that holds nothing, in one transaction on each side; return the number of rows.

    What is copied is of one moment, whoever writes meanwhile, and writers are not held up.

    Raises:
        Rejected: the target holds something.
        StoreUnavailable: either fails; then nothing was written.
    """
    return await source.database.read(lambda rows: target.database.write_sync(lambda into: _copy_tables(rows, into)))


def _copy_tables(source: Connection, target: Connection) -> int:
    for table in metadata.sorted_tables:
        if target.scalar(select(func.count()).select_from(table)):
            raise Rejected(f"the store to copy into is not empty: it has {table.name}")
    copied = 0
    for table in metadata.sorted_tables:
        with source.execution_options(yield_per=BATCH_ROWS).execute(select(table)) as found:
            for batch in found.mappings().partitions(BATCH_ROWS):
                target.execute(insert(table), [dict(row) for row in batch])
                copied += len(batch)
    if target.dialect.name == "postgresql":
        # Its counter has not seen the numbers that came with the rows.
        last = select(func.coalesce(func.max(audit.c.id), 1), func.count() > 0).select_from(audit)
        number, any_row = target.execute(last).one()
        target.execute(text("SELECT setval('audit_id_seq', :n, :used)"), {"n": number, "used": any_row})
    return copied
