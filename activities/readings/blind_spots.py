"""Blind spots in place of a remote that fails."""

from collections.abc import Awaitable
from typing import TypeVar

from activities.model.blindspot import BlindSpot, BlindSpotKind
from activities.model.errors import ClockSkew, MapekError
from activities.model.types import truncate

T = TypeVar("T")


async def fetch_or_blind(answer: Awaitable[T], remote: str, signal: str, blind_spots: list[BlindSpot]) -> T | None:
    """Return the answer. If the remote fails, add a blind spot with the reason and return None."""
    try:
        return await answer
    except MapekError as error:
        kind = BlindSpotKind.STALE if isinstance(error, ClockSkew) else BlindSpotKind.UNREACHABLE
        blind_spots.append(BlindSpot(component=remote, signal=signal, kind=kind, detail=truncate(str(error))))
        return None
