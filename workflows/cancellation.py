"""How a workflow waits for a running activity, so that a cancellation cannot start the rollback too early."""

import asyncio
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError

T = TypeVar("T")


async def wait_shielded(handle: workflow.ActivityHandle[T]) -> T:
    """Wait for a started activity to end, even if the workflow is cancelled meanwhile, and return its result.

    `cancellation_requested` reports the cancellation afterwards. With a plain await, a rollback would be scheduled in
    the same workflow task as the cancel request, and could overtake an apply that is still in flight.

    Raises:
        ActivityError: the activity failed finally.
    """
    while not handle.done():
        try:
            await asyncio.shield(handle)
        except (FailureError, asyncio.CancelledError):
            continue  # on eviction the handle is cancelled too, so this loop ends
    return handle.result()


def cancellation_requested() -> bool:
    """Return whether the cancellation of this workflow was requested (an empty reason counts)."""
    return workflow.cancellation_reason() is not None
