"""A copy of the whole store in another database: back-up, restore, and the move to PostgreSQL or back."""

from sqlalchemy import Connection, func, insert, select

from activities.clients.store.schema import metadata
from activities.clients.store.store import Store
from activities.model.errors import Rejected

BATCH_ROWS = 200
"""Rows copied at a time: a snapshot may have a megabyte."""


async def copy_store(source: Store, target: Store) -> int:
    """Copy every row into an empty store, in one transaction on each side; return the number of rows.

    The copy is of one moment. Writers of the source are not delayed.

    Raises:
        Rejected: the target has rows.
        StoreUnavailable: one of the stores failed; then nothing was written.
    """
    return await source.database.read(lambda rows: target.database.write_sync(lambda into: _copy_tables(rows, into)))


def _copy_tables(source: Connection, target: Connection) -> int:
    for table in metadata.sorted_tables:
        if target.scalar(select(func.count()).select_from(table)):
            raise Rejected(f"the target store is not empty: table {table.name} has rows; use a new database")
    count = 0
    for table in metadata.sorted_tables:
        with source.execution_options(yield_per=BATCH_ROWS).execute(select(table)) as rows:
            for batch in rows.mappings().partitions(BATCH_ROWS):
                target.execute(insert(table), [dict(row) for row in batch])
                count += len(batch)
    if target.dialect.name == "postgresql":
        _advance_sequences(target)
    return count


def _advance_sequences(connection: Connection) -> None:
    """Move each sequence behind the ids that came with the rows, which it did not number itself."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            is_used = func.count() > 0
            connection.execute(select(func.setval(sequence, func.coalesce(func.max(column), 1), is_used)))
