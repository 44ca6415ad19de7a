"""Calls of Temporal that may find nothing."""

from collections.abc import Awaitable
from typing import TypeVar

from temporalio.service import RPCError, RPCStatusCode

T = TypeVar("T")


async def none_if_missing(call: Awaitable[T]) -> T | None:
    """Return the result of a call, or None if what it names does not exist at Temporal."""
    try:
        return await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def exists(call: Awaitable[object]) -> bool:
    """Make a call and return whether what it names exists at Temporal."""
    try:
        await call
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
