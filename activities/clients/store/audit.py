"""The audit: append-only, each row chained to the one before by its hash."""

import hashlib
from collections.abc import Collection

from sqlalchemy import Connection, Select, exists, insert, select

from activities.clients.store.engine import Database
from activities.clients.store.schema import audit
from activities.model.audit import AuditEntry

GENESIS_HASH = "0" * 64
"""What stands for the hash before the first row."""
MAX_RECENT_ROWS = 100
"""Rows of a kind that are looked at for what was told already: more knobs are not held at once."""


class AuditLog:
    """The audit of all loops. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entry: AuditEntry) -> None:
        """Write one row; once this returns, it stands for ever."""
        await self._database.write(lambda connection: append(connection, entry))

    async def append_once(self, entry: AuditEntry) -> None:
        """Write one row unless the plan has one of this kind already: a repeat leaves no second trace."""

        def work(connection: Connection) -> None:
            there = exists().where(audit.c.plan_id == entry.plan_id, audit.c.kind == entry.kind)
            if not connection.scalar(select(there)):
                append(connection, entry)

        await self._database.write(work)

    async def append_unless_recent(self, entry: AuditEntry, since: float) -> None:
        """Write one row, unless the loop has one of this kind about this knob that is newer than `since`."""

        def work(connection: Connection) -> None:
            bodies = connection.scalars(_select_recent(entry.loop, (entry.kind,)))
            known = [row for row in map(AuditEntry.model_validate_json, bodies) if row.knob == entry.knob]
            if not any(row.at > since for row in known):
                append(connection, entry)

        await self._database.write(work)

    async def load_newest(self, loop: str, kinds: Collection[str]) -> tuple[AuditEntry, ...]:
        """Return of the loop's last rows of these kinds the newest of each kind about each knob."""
        rows = await self._load_entries(_select_recent(loop, kinds))
        return tuple({(row.kind, row.knob): row for row in reversed(rows)}.values())

    async def load_for_plan(self, plan_id: str) -> tuple[AuditEntry, ...]:
        """Return the rows of a plan in the order they were written."""
        return await self._load_entries(select(audit.c.body).where(audit.c.plan_id == plan_id).order_by(audit.c.id))

    async def load_for_loop(self, loop: str, limit: int = 100) -> tuple[AuditEntry, ...]:
        """Return the loop's last `limit` rows in the order they were written."""
        query = select(audit.c.body).where(audit.c.loop == loop).order_by(audit.c.id.desc()).limit(limit)
        return (await self._load_entries(query))[::-1]

    async def verify_chain(self) -> int | None:
        """Return the id of the first row that was changed, moved or follows a missing one; None if all stand.

        Rows cut off at the end leave no trace in the chain; an exported copy shows them.
        """
        return await self._database.read(_find_broken_row)

    async def _load_entries(self, query: Select[str]) -> tuple[AuditEntry, ...]:
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(AuditEntry.model_validate_json(body) for body in bodies)


def _select_recent(loop: str, kinds: Collection[str]) -> Select[str]:
    mine = (audit.c.loop == loop, audit.c.kind.in_(kinds))
    return select(audit.c.body).where(*mine).order_by(audit.c.id.desc()).limit(MAX_RECENT_ROWS)


def append(connection: Connection, entry: AuditEntry) -> None:
    """Write one row in the transaction of `connection`, which holds the writer's lock."""
    last = connection.scalar(select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)) or GENESIS_HASH
    body = entry.model_dump_json()
    row = {"loop": entry.loop, "plan_id": entry.plan_id, "kind": entry.kind}
    connection.execute(insert(audit).values(**row, body=body, hash=_compute_chain_hash(last, body)))


def _compute_chain_hash(previous_hash: str, body: str) -> str:
    return hashlib.sha256(f"{previous_hash}\n{body}".encode()).hexdigest()


def _find_broken_row(connection: Connection) -> int | None:
    last = GENESIS_HASH
    with connection.execution_options(yield_per=1000).execute(select(audit).order_by(audit.c.id)) as rows:
        for row in rows:
            entry = AuditEntry.model_validate_json(row.body)
            columns = (row.loop, row.plan_id, row.kind)
            if row.hash != _compute_chain_hash(last, row.body) or columns != (entry.loop, entry.plan_id, entry.kind):
                return int(row.id)
            last = row.hash
    return None
