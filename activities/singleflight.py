"""Run concurrent requests for the same result once, and only a limited number in parallel."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Work by key; at most `max_concurrency` pieces run in parallel, and the others wait."""

    def __init__(self, max_concurrency: int) -> None:
        self._semaphore = asyncio.Semaphore(max_concurrency)
        self._in_flight: dict[Hashable, asyncio.Task[T]] = {}

    async def run(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of `work`, or of the running work with the same key.

        A caller that stops waiting does not stop the work for the others.

        Raises: the error of `work`.
        """
        task = self._in_flight.get(key)
        if task is None:
            task = self._in_flight[key] = asyncio.create_task(self._run_limited(work))
            task.add_done_callback(lambda _: self._in_flight.pop(key))
        return await asyncio.shield(task)

    async def _run_limited(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._semaphore:
            return await work()
