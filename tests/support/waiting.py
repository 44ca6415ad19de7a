"""Waiting for something to become true, with a bound and with words for what did not happen."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.1
"""Seconds between two looks."""


async def wait_until(
    description: str, check: Callable[[], Awaitable[T | None]], timeout_seconds: float, interval: float = POLL_SECONDS
) -> T:
    """Return the first true answer of `look`; after `bound` seconds the test fails with what was waited for."""
    began = time.monotonic()
    while True:
        found = await check()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < timeout_seconds, (
            f"within {timeout_seconds:g} s it did not happen: {description} (last seen: {found!r})"
        )
        await asyncio.sleep(interval)
