"""Waits for a condition with a timeout and a description for the failure."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.1
"""Time between two checks."""


async def wait_until(
    description: str, check: Callable[[], Awaitable[T | None]], timeout_seconds: float, interval: float = POLL_SECONDS
) -> T:
    """Return the first true result of `check`; fail the test with the description after the timeout."""
    started_at = time.monotonic()
    while True:
        result = await check()
        if result:
            return result
        waited = time.monotonic() - started_at
        assert waited < timeout_seconds, (
            f"not reached within {timeout_seconds:g} s: {description} (last result: {result!r})"
        )
        await asyncio.sleep(interval)
