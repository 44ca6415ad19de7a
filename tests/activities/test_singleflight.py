"""Work that is shared is done once, a little at a time, and nobody's leaving hurts the others."""

import asyncio

import pytest

from activities.model.errors import Unreachable
from activities.singleflight import Sharing


class Work:
    """Something that takes until it is let go, counted."""

    def __init__(self) -> None:
        self.go, self.begun, self.under_way, self.most = asyncio.Event(), 0, 0, 0

    async def __call__(self) -> int:
        self.begun += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.go.wait()
        self.under_way -= 1
        return self.begun


async def asked(sharing: Sharing[int], work: Work, *keys: int) -> list[asyncio.Task[int]]:
    """Ask once for each key, and let all of them begin to wait."""
    tasks = [asyncio.create_task(sharing.of(key, work)) for key in keys]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_the_same_is_done_once() -> None:
    """A hundred who ask for the same get one answer; who asks later gets a new one."""
    sharing, work = Sharing[int](2), Work()
    tasks = await asked(sharing, work, *[7] * 100)
    work.go.set()
    assert await asyncio.gather(*tasks) == [1] * 100
    assert await sharing.of(7, work) == 2


async def test_a_little_at_a_time() -> None:
    """Of ten different pieces two are under way at most, and all come to their end."""
    sharing, work = Sharing[int](2), Work()
    tasks = await asked(sharing, work, *range(10))
    assert work.under_way == 2
    work.go.set()
    await asyncio.gather(*tasks)
    assert (work.begun, work.most) == (10, 2)


async def test_who_leaves_takes_nothing_away() -> None:
    """The first one's cancellation leaves the others their answer."""
    sharing, work = Sharing[int](1), Work()
    first, second = await asked(sharing, work, 7, 7)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    work.go.set()
    assert await second == 1


async def test_a_failure_is_everybody_s() -> None:
    """All who waited are told, and the next one tries again."""

    async def failing() -> int:
        raise Unreachable("Prometheus: connection refused")

    sharing, work = Sharing[int](1), Work()
    work.go.set()
    told = await asyncio.gather(*(sharing.of(7, failing) for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in told] == [Unreachable] * 3
    assert await sharing.of(7, work) == 1
