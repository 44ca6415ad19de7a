"""Heartbeats from a background task, so that Temporal detects a dead worker within seconds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from temporalio import activity

HEARTBEAT_INTERVAL_SECONDS = 1.0
"""Well below the heartbeat timeout of 5 s."""


@asynccontextmanager
async def background_heartbeat() -> AsyncIterator[None]:
    """Heartbeat once a second while the body runs."""

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(HEARTBEAT_INTERVAL_SECONDS)

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
