"""Snapshots: recorded inputs of decisions, compressed, addressed by their content."""

import hashlib
import zlib
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import Connection, delete, select, update

from activities.clients.store.engine import Database, upsert
from activities.clients.store.schema import decisions, snapshots
from activities.model.errors import NotFound, Rejected, StoreUnavailable
from activities.model.snapshot import canonical_json
from activities.model.types import FrozenModel

ModelT = TypeVar("ModelT", bound=FrozenModel)


class SnapshotKind(StrEnum):
    """What a snapshot holds. Adaptive limits have one kind for each loop."""

    ANALYSIS = "analysis"
    DECISION = "decision"
    LIMITS = "limits"

    def for_loop(self, loop: str) -> str:
        """Return the kind of one loop's snapshots: `limits:charter`."""
        return f"{self}:{loop}"


MAX_BYTES = 1 << 20
"""Bytes of one snapshot, compressed."""


class SnapshotStore:
    """Everything stored by digest. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, model: FrozenModel, kind: str, now: float) -> str:
        """Store `noun` and return its digest; `kind` is for people. The same value again only renews its age.

        Raises: Rejected (more than 1 MiB compressed).
        """

        def work(connection: Connection) -> str:
            plain = canonical_json(model)
            body = zlib.compress(plain)
            if len(body) > MAX_BYTES:
                raise Rejected(f"a snapshot of {len(body)} bytes compressed: at most {MAX_BYTES}")
            digest = hashlib.sha256(plain).hexdigest()
            pinned = connection.scalar(select(snapshots.c.pinned).where(snapshots.c.digest == digest)) or False
            upsert(connection, snapshots, {"digest": digest}, {"kind": kind, "at": now, "pinned": pinned, "body": body})
            return digest

        return await self._database.write(work)

    async def get(self, digest: str, model_class: type[ModelT]) -> ModelT:
        """Return what was stored under `digest`.

        Raises: NotFound (never stored, or expired), StoreUnavailable (also if the content is not what was stored).
        """

        def work(connection: Connection) -> ModelT:
            body = connection.scalar(select(snapshots.c.body).where(snapshots.c.digest == digest))
            if body is None:
                raise NotFound(f"no snapshot {digest[:12]}: it was never stored, or it has expired")
            try:
                plain = zlib.decompress(body)
            except zlib.error as error:
                raise StoreUnavailable(f"snapshot {digest[:12]} cannot be unpacked") from error
            if hashlib.sha256(plain).hexdigest() != digest:
                raise StoreUnavailable(f"snapshot {digest[:12]} holds another content")
            return model_class.model_validate_json(plain)

        return await self._database.read(work)

    async def load_latest(self, kind: str, model_class: type[ModelT]) -> ModelT | None:
        """Return what was stored last under `kind`, None if there is nothing."""
        newest = (
            select(snapshots.c.digest)
            .where(snapshots.c.pinned.is_(False), snapshots.c.kind == kind)
            .order_by(snapshots.c.at.desc())
            .limit(1)
        )
        digest = await self._database.read(lambda connection: connection.scalar(newest))
        return None if digest is None else await self.get(digest, model_class)

    async def pin(self, digest: str) -> None:
        """Keep a snapshot for ever, because a plan came of it. Raises: NotFound."""
        pinned = update(snapshots).where(snapshots.c.digest == digest).values(pinned=True)
        if await self._database.write(lambda connection: connection.execute(pinned).rowcount) == 0:
            raise NotFound(f"no snapshot {digest[:12]} to pin")

    async def expire(self, now: float, max_age_seconds: float) -> int:
        """Drop what is older and not pinned, and the decisions upon it, which led to no plan; return how many."""
        since = now - max_age_seconds
        old = delete(snapshots).where(snapshots.c.pinned.is_(False), snapshots.c.at < since)
        left = delete(decisions).where(decisions.c.at < since, decisions.c.snapshot.not_in(select(snapshots.c.digest)))

        def work(connection: Connection) -> int:
            count = connection.execute(old).rowcount
            if count:
                connection.execute(left)
            return count

        return await self._database.write(work)
