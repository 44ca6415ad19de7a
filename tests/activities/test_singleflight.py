"""Concurrent work: run once per key, limited in parallel, unaffected by a cancelled caller."""

import asyncio

import pytest

from activities.model.errors import Unreachable
from activities.singleflight import SingleFlight


class BlockingWork:
    """Work that blocks until its release, with counters."""

    def __init__(self) -> None:
        self.release, self.started, self.running, self.max_running = asyncio.Event(), 0, 0, 0

    async def __call__(self) -> int:
        self.started += 1
        self.running += 1
        self.max_running = max(self.max_running, self.running)
        await self.release.wait()
        self.running -= 1
        return self.started


async def start_requests(single_flight: SingleFlight[int], work: BlockingWork, *keys: int) -> list[asyncio.Task[int]]:
    """Start a request per key, and let all of them begin to wait."""
    tasks = [asyncio.create_task(single_flight.run(key, work)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_concurrent_requests_for_a_key_run_once() -> None:
    """A hundred concurrent requests get one result; a later request gets a new one."""
    single_flight, work = SingleFlight[int](2), BlockingWork()
    tasks = await start_requests(single_flight, work, *[7] * 100)
    work.release.set()
    assert await asyncio.gather(*tasks) == [1] * 100
    assert await single_flight.run(7, work) == 2


async def test_concurrency_is_limited() -> None:
    """Of ten keys at most two run in parallel, and all end."""
    single_flight, work = SingleFlight[int](2), BlockingWork()
    tasks = await start_requests(single_flight, work, *range(10))
    assert work.running == 2
    work.release.set()
    await asyncio.gather(*tasks)
    assert (work.started, work.max_running) == (10, 2)


async def test_a_cancelled_caller_does_not_cancel_the_others() -> None:
    """The others get their result after the first caller is cancelled."""
    single_flight, work = SingleFlight[int](1), BlockingWork()
    first, second = await start_requests(single_flight, work, 7, 7)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.release.set()
    assert await second == 1


async def test_a_failure_reaches_every_caller() -> None:
    """Every waiting caller gets the error, and the next one tries again."""

    async def fail() -> int:
        raise Unreachable("Prometheus: connection refused")

    single_flight, work = SingleFlight[int](1), BlockingWork()
    work.release.set()
    results = await asyncio.gather(*(single_flight.run(7, fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unreachable] * 3
    assert await single_flight.run(7, work) == 1
