"""Waiting for something to become true, with a bound and with words for what did not happen."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

EVERY = 0.1
"""Seconds between two looks."""


async def wait_until(what: str, look: Callable[[], Awaitable[T | None]], bound: float, every: float = EVERY) -> T:
    """Return the first true answer of `look`; after `bound` seconds the test fails with what was waited for."""
    began = time.monotonic()
    while True:
        found = await look()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < bound, f"within {bound:g} s it did not happen: {what} (last seen: {found!r})"
        await asyncio.sleep(every)
