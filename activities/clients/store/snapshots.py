"""Snapshots: the recorded inputs of decisions, compressed, addressed by the digest of their content."""

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


MAX_SNAPSHOT_BYTES = 1 << 20
"""Maximum bytes of a compressed snapshot."""


class SnapshotStore:
    """Models stored by digest. Every call raises StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, model: FrozenModel, kind: str, now: float) -> str:
        """Store a model and return its digest. A repeat only renews its age.

        Raises:
            Rejected: it has more than 1 MiB compressed.
        """

        def work(connection: Connection) -> str:
            plain = canonical_json(model)
            body = zlib.compress(plain)
            if len(body) > MAX_SNAPSHOT_BYTES:
                raise Rejected(f"snapshot too large: {len(body)} bytes compressed, at most {MAX_SNAPSHOT_BYTES}")
            digest = hashlib.sha256(plain).hexdigest()
            pinned = connection.scalar(select(snapshots.c.pinned).where(snapshots.c.digest == digest)) or False
            upsert(connection, snapshots, {"digest": digest}, {"kind": kind, "at": now, "pinned": pinned, "body": body})
            return digest

        return await self._database.write(work)

    async def get(self, digest: str, model_class: type[ModelT]) -> ModelT:
        """Return the model stored under `digest`.

        Raises:
            NotFound: it was never stored, or has expired.
            StoreUnavailable: the store cannot be read, or the content does not match the digest.
        """

        def work(connection: Connection) -> ModelT:
            body = connection.scalar(select(snapshots.c.body).where(snapshots.c.digest == digest))
            if body is None:
                raise NotFound(f"no snapshot {digest[:12]}: it was never stored, or has expired")
            try:
                plain = zlib.decompress(body)
            except zlib.error as error:
                raise StoreUnavailable(f"snapshot {digest[:12]} is corrupt: it cannot be decompressed") from error
            if hashlib.sha256(plain).hexdigest() != digest:
                raise StoreUnavailable(f"snapshot {digest[:12]} is corrupt: its content has another digest")
            return model_class.model_validate_json(plain)

        return await self._database.read(work)

    async def load_latest(self, kind: str, model_class: type[ModelT]) -> ModelT | None:
        """Return the newest model of a kind, None if there is none."""
        newest = (
            select(snapshots.c.digest)
            .where(snapshots.c.pinned.is_(False), snapshots.c.kind == kind)
            .order_by(snapshots.c.at.desc())
            .limit(1)
        )
        digest = await self._database.read(lambda connection: connection.scalar(newest))
        return None if digest is None else await self.get(digest, model_class)

    async def pin(self, digest: str) -> None:
        """Keep a snapshot for ever, because a plan is based on it. Raises: NotFound."""
        pinned = update(snapshots).where(snapshots.c.digest == digest).values(pinned=True)
        if await self._database.write(lambda connection: connection.execute(pinned).rowcount) == 0:
            raise NotFound(f"cannot pin snapshot {digest[:12]}: it was never stored, or has expired")

    async def expire(self, now: float, max_age_seconds: float) -> int:
        """Delete old snapshots that are not pinned, and their decisions, which made no plan; return their number."""
        since = now - max_age_seconds
        delete_snapshots = delete(snapshots).where(snapshots.c.pinned.is_(False), snapshots.c.at < since)
        delete_decisions = delete(decisions).where(
            decisions.c.at < since, decisions.c.snapshot.not_in(select(snapshots.c.digest))
        )

        def work(connection: Connection) -> int:
            count = connection.execute(delete_snapshots).rowcount
            if count:
                connection.execute(delete_decisions)
            return count

        return await self._database.write(work)
