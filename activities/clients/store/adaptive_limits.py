"""The adaptive limits of one loop: versions in the store, the newest one cached."""

from collections.abc import Callable

from activities.clients.store.snapshots import SnapshotKind, SnapshotStore
from activities.model.baseline import AdaptiveLimits
from activities.model.errors import StoreUnavailable

CACHE_SECONDS = 60.0
"""Seconds a cached version counts as the newest; upkeep makes a new one every few minutes."""


class AdaptiveLimitsStore:
    """Reads and writes versions, named by the digest of their content. `clock` returns unix seconds."""

    def __init__(self, snapshots: SnapshotStore, loop: str, clock: Callable[[], float]) -> None:
        self._snapshots = snapshots
        self._kind = SnapshotKind.LIMITS.for_loop(loop)
        self._clock = clock
        self._cached: AdaptiveLimits | None = None
        self._read_at = float("-inf")

    async def load_newest(self) -> AdaptiveLimits | None:
        """Return the newest version, at most `CACHE_SECONDS` late; None if there is none.

        While the store is unavailable, return the cached version. It holds its own age, which the judgement checks.
        """
        if self._clock() - self._read_at >= CACHE_SECONDS:
            try:
                self._cached = await self._snapshots.load_latest(self._kind, AdaptiveLimits)
            except StoreUnavailable:
                if self._cached is None:
                    return None
            self._read_at = self._clock()
        return self._cached

    async def put(self, limits: AdaptiveLimits) -> str:
        """Store a version, the newest from now on, and return its digest.

        Raises:
            StoreUnavailable: the store cannot be written.
            Rejected: the version has more than 1 MiB compressed.
        """
        digest = await self._snapshots.put(limits, self._kind, limits.at)
        self._cached, self._read_at = limits, self._clock()
        return digest
