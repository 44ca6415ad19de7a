"""Idempotency keys: the stored reply of each decided change, returned for a repeated request."""

import hashlib
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy.simulator.problems import key_conflict, key_in_flight

MAX_STORED_KEYS: Final = 10_000


@dataclass(frozen=True)
class Reply:
    """A complete response."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    media_type: str = "application/json"


@dataclass
class _Entry:
    fingerprint: str
    reply: Reply | None


class IdempotencyStore:
    """Keys in flight, and the newest `MAX_STORED_KEYS` answered keys."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._answered: deque[str] = deque()

    def begin(self, key: str, fingerprint: str) -> Reply | None:
        """Reserve the key for a request; return the stored reply if this request was decided before.

        Raises:
            ProblemError: 422 if the key belongs to another request; 409 if the first request is in flight.
        """
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = _Entry(fingerprint, None)
            return None
        if entry.fingerprint != fingerprint:
            raise key_conflict()
        if entry.reply is None:
            raise key_in_flight()
        return entry.reply

    def store_reply(self, key: str, reply: Reply) -> None:
        """Store the reply of a decided change."""
        self._entries[key].reply = reply
        self._answered.append(key)
        if len(self._answered) > MAX_STORED_KEYS:
            del self._entries[self._answered.popleft()]

    def clear_answered(self) -> None:
        """Delete every answered key, as a restart does in a service that keeps keys in memory."""
        while self._answered:
            del self._entries[self._answered.popleft()]

    def release(self, key: str) -> None:
        """Delete the key of an undecided request, which can be sent again."""
        if key in self._entries and self._entries[key].reply is None:
            del self._entries[key]


def compute_fingerprint(path: str, body: Mapping[str, Any]) -> str:
    """Return the digest of route and body, without the envelope's time, which can differ in a retry."""
    content = {name: value for name, value in body.items() if name != "timestamp"}
    return hashlib.sha256(f"{path}\n{json.dumps(content, sort_keys=True)}".encode()).hexdigest()
