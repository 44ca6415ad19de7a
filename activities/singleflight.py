"""What many ask for in the same moment is done once, and only so much of it at a time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Pieces of work by key; at most `at_once` of them are under way, the others wait their turn."""

    def __init__(self, max_concurrency: int) -> None:
        self._semaphore = asyncio.Semaphore(max_concurrency)
        self._in_flight: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what `work` returns, or what the same key's work that is under way will. Raises: what it raises.

        Whoever stops waiting takes nothing away from the others.
        """
        task = self._in_flight.get(key)
        if task is None:
            task = self._in_flight[key] = asyncio.create_task(self._run_limited(work))
            task.add_done_callback(lambda _: self._in_flight.pop(key))
        return await asyncio.shield(task)

    async def _run_limited(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._semaphore:
            return await work()
