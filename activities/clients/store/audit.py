"""The audit: append-only, each row chained to the one before by its hash."""

import hashlib
from collections.abc import Collection

from sqlalchemy import Connection, Select, exists, insert, select

from activities.clients.store.engine import Database
from activities.clients.store.schema import audit
from activities.model.audit import AuditEntry

GENESIS_HASH = "0" * 64
"""The previous hash of the first row."""
MAX_RECENT_ROWS = 100
"""Newest rows of a kind that are searched for a repeat: fewer knobs than this are blocked at the same time."""


class AuditLog:
    """The audit of all loops. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entry: AuditEntry) -> None:
        """Write one row, for ever."""
        await self._database.write(lambda connection: append(connection, entry))

    async def append_once(self, entry: AuditEntry) -> None:
        """Write one row, unless the plan has a row of this kind."""

        def work(connection: Connection) -> None:
            has_row = exists().where(audit.c.plan_id == entry.plan_id, audit.c.kind == entry.kind)
            if not connection.scalar(select(has_row)):
                append(connection, entry)

        await self._database.write(work)

    async def append_unless_recent(self, entry: AuditEntry, since: float) -> None:
        """Write one row, unless the loop has a row of this kind and knob that is newer than `since`."""

        def work(connection: Connection) -> None:
            bodies = connection.scalars(_select_recent(entry.loop, (entry.kind,)))
            rows = map(AuditEntry.model_validate_json, bodies)
            if not any(row.at > since for row in rows if row.knob == entry.knob):
                append(connection, entry)

        await self._database.write(work)

    async def load_newest(self, loop: str, kinds: Collection[str]) -> tuple[AuditEntry, ...]:
        """Return the newest row of each of these kinds and each knob, among the loop's last rows."""
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
        """Return the id of the first row that was changed or moved or follows a missing row; None for an intact audit.

        The chain does not show rows deleted at the end; an exported copy does.
        """
        return await self._database.read(_find_broken_row)

    async def _load_entries(self, query: Select[str]) -> tuple[AuditEntry, ...]:
        bodies = await self._database.read(lambda connection: connection.scalars(query).all())
        return tuple(AuditEntry.model_validate_json(body) for body in bodies)


def _select_recent(loop: str, kinds: Collection[str]) -> Select[str]:
    is_wanted = (audit.c.loop == loop, audit.c.kind.in_(kinds))
    return select(audit.c.body).where(*is_wanted).order_by(audit.c.id.desc()).limit(MAX_RECENT_ROWS)


def append(connection: Connection, entry: AuditEntry) -> None:
    """Write one row in the transaction of `connection`, which holds the writer's lock."""
    previous_hash = connection.scalar(select(audit.c.hash).order_by(audit.c.id.desc()).limit(1)) or GENESIS_HASH
    body = entry.model_dump_json()
    row = {"loop": entry.loop, "plan_id": entry.plan_id, "kind": entry.kind}
    connection.execute(insert(audit).values(**row, body=body, hash=_compute_chain_hash(previous_hash, body)))


def _compute_chain_hash(previous_hash: str, body: str) -> str:
    return hashlib.sha256(f"{previous_hash}\n{body}".encode()).hexdigest()


def _find_broken_row(connection: Connection) -> int | None:
    previous_hash = GENESIS_HASH
    with connection.execution_options(yield_per=1000).execute(select(audit).order_by(audit.c.id)) as rows:
        for row in rows:
            if row.hash != _compute_chain_hash(previous_hash, row.body):
                return int(row.id)
            entry = AuditEntry.model_validate_json(row.body)
            if (row.loop, row.plan_id, row.kind) != (entry.loop, entry.plan_id, entry.kind):
                return int(row.id)
            previous_hash = row.hash
    return None
