"""Work that is shared is done once, a little at a time, and nobody's leaving hurts the others."""

import asyncio

import pytest

from activities.model.errors import Unreachable
from activities.singleflight import SingleFlight


class BlockingWork:
    """Something that takes until it is let go, counted."""

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
    """Ask once for each key, and let all of them begin to wait."""
    tasks = [asyncio.create_task(single_flight.run(key, work)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_the_same_is_done_once() -> None:
    """A hundred who ask for the same get one answer; who asks later gets a new one."""
    sharing, work = SingleFlight[int](2), BlockingWork()
    tasks = await start_requests(sharing, work, *[7] * 100)
    work.release.set()
    assert await asyncio.gather(*tasks) == [1] * 100
    assert await sharing.run(7, work) == 2


async def test_a_little_at_a_time() -> None:
    """Of ten different pieces two are under way at most, and all come to their end."""
    sharing, work = SingleFlight[int](2), BlockingWork()
    tasks = await start_requests(sharing, work, *range(10))
    assert work.running == 2
    work.release.set()
    await asyncio.gather(*tasks)
    assert (work.started, work.max_running) == (10, 2)


async def test_who_leaves_takes_nothing_away() -> None:
    """The first one's cancellation leaves the others their answer."""
    sharing, work = SingleFlight[int](1), BlockingWork()
    first, second = await start_requests(sharing, work, 7, 7)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.release.set()
    assert await second == 1


async def test_a_failure_is_everybody_s() -> None:
    """All who waited are told, and the next one tries again."""

    async def failing() -> int:
        raise Unreachable("Prometheus: connection refused")

    sharing, work = SingleFlight[int](1), BlockingWork()
    work.release.set()
    told = await asyncio.gather(*(sharing.run(7, failing) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [Unreachable] * 3
    assert await sharing.run(7, work) == 1
