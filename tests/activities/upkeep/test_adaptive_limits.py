"""Upkeep makes the adaptive limits, and Monitor renders them, over a real store."""

import asyncio
from typing import Any, cast

import pytest

from activities.analyze.activity import looking
from activities.clients.store.limits import KEPT, Limits
from activities.clients.store.store import Store, open_store
from activities.dependencies import LoopParts, Parts
from activities.model.baseline import AdaptiveLimits
from activities.model.errors import StoreUnavailable, Unreachable
from activities.model.timeseries import SampleSeries
from activities.monitor.activity import read
from activities.monitor.settings import MetricEntry, MonitorSettings
from activities.settings import LoopSettings
from activities.upkeep import activity as upkeep
from activities.upkeep.activity import UpkeepActivities

QUEUE = MetricEntry(name="queue", query="queue_length", unit="", kind="count")
BACKLOG = MetricEntry(name="backlog", query="backlog_length", unit="", kind="count")
SETTINGS = LoopSettings(monitor=MonitorSettings(metrics=(QUEUE,)))


class Surroundings:
    """A clock, a Prometheus whose every value is 10, and a Charter that does not answer."""

    def __init__(self) -> None:
        self.now, self.asked, self.ranges = 1_700_000_000.0, [], set()
        self.down = self.slow = False

    def clock(self) -> float:
        return self.now

    async def query(self, promql: str, *_: float) -> tuple[()]:
        self.asked.append(promql)
        return ()

    async def query_range(
        self, promql: str, start: float, end: float, step: float, *_: None
    ) -> tuple[SampleSeries, ...]:
        if self.down:
            raise Unreachable("Prometheus: connection refused")
        if self.slow:
            await asyncio.Event().wait()
        self.ranges.add(promql)
        points = tuple((start + step * i, 10.0) for i in range(round((end - start) / step) + 1))
        rules = [rule for rule in ("queue", "backlog") if f'"{rule}"' in promql]
        return tuple(SampleSeries(labels={"node_or_service": "shop", "rule": rule}, points=points) for rule in rules)

    async def violations(self, _: float) -> tuple[()]:
        raise Unreachable("Charter")

    async def committee(self) -> None:
        raise Unreachable("Charter")

    async def policies(self, **_: bool) -> None:
        raise Unreachable("Charter")


def upkeep_of(loop: LoopParts, store: Store, around: Surroundings) -> UpkeepActivities:
    return UpkeepActivities(Parts({"charter": loop}, store, around.clock, "w"), cast(Any, None))


async def test_a_version_is_made_kept_and_rendered():
    """Made once in five minutes, read by another process, kept while Prometheus is down, in the query as a number."""
    around = Surroundings()
    remote = cast(Any, around)
    store = await open_store("memory")
    limits = Limits(store.snapshots, "charter", around.clock)
    loop = LoopParts(SETTINGS, remote, remote, limits=limits)
    keeping = upkeep_of(loop, store, around)
    assert "queue_length" not in await asked(loop, around)
    assert "1 adaptive limits, version" in await keeping.learn("charter", around.now)
    assert await keeping.learn("charter", around.now + 250.0) == ""
    assert "vector(" in await asked(loop, around)
    elsewhere = Limits(store.snapshots, "charter", around.clock)
    assert await elsewhere.newest() == await limits.newest()
    first = await limits.newest()
    around.now, around.down = around.now + 300.0, True
    assert await keeping.learn("charter", around.now) == "; adaptive limits could not be made"
    assert await limits.newest() == first
    around.down = False
    assert "version" in await keeping.learn("charter", around.now)
    assert await elsewhere.newest() == await limits.newest() != first
    await store.close()


@pytest.mark.parametrize(("components", "queries"), [(10, 1), (3000, 2)])
async def test_many_components_are_learned_from_in_parts(components: int, queries: int):
    """No chain of `or` grows over thousands of series, and no metric is left out for it."""
    around = Surroundings()
    store = await open_store("memory")
    settings = LoopSettings(
        components=tuple(f"c{number}" for number in range(components)),
        monitor=MonitorSettings(metrics=(QUEUE, BACKLOG)),
    )
    limits = Limits(store.snapshots, "charter", around.clock)
    loop = LoopParts(settings, cast(Any, around), cast(Any, around), limits=limits)
    assert "2 adaptive limits" in await upkeep_of(loop, store, around).learn("charter", around.now)
    assert len(around.ranges) == queries
    await store.close()


async def test_a_slow_prometheus_holds_nothing_up(monkeypatch: pytest.MonkeyPatch):
    """What takes too long is given up, so that upkeep gets to tell what is left to settle."""
    monkeypatch.setattr(upkeep, "LEARNING", 0.01)
    around = Surroundings()
    around.slow = True
    store = await open_store("memory")
    loop = LoopParts(
        SETTINGS, cast(Any, around), cast(Any, around), limits=Limits(store.snapshots, "charter", around.clock)
    )
    assert await upkeep_of(loop, store, around).learn("charter", around.now) == "; adaptive limits could not be made"
    await store.close()


async def test_a_round_looks_once():
    """Whatever needs a look in one round gets the same one: each might have to wait for a silent Prometheus."""
    around = Surroundings()
    look = looking(LoopParts(SETTINGS, cast(Any, around), cast(Any, around)), around.clock)
    first = await look()
    around.now += 3600.0
    assert await look() is first


async def test_limits_that_grew_old_are_not_used():
    """After two hours without a new version nothing is judged by the last one."""
    around = Surroundings()
    remote = cast(Any, around)
    store = await open_store("memory")
    limits = Limits(store.snapshots, "charter", around.clock)
    loop = LoopParts(SETTINGS, remote, remote, limits=limits)
    await upkeep_of(loop, store, around).learn("charter", around.now)
    around.now += 7300.0
    assert "queue_length" not in await asked(loop, around)
    await store.close()


async def test_without_the_store_the_cached_version_stands():
    """A store that cannot be read does not blind a loop that knows its limits; one that never did has none."""
    around = Surroundings()
    store = await open_store("memory")
    known, fresh = (Limits(store.snapshots, "charter", around.clock) for _ in range(2))
    loop = LoopParts(SETTINGS, cast(Any, around), cast(Any, around), limits=known)
    await upkeep_of(loop, store, around).learn("charter", around.now)
    await store.close()
    around.now += KEPT
    assert await known.newest() is not None
    assert await fresh.newest() is None
    with pytest.raises(StoreUnavailable):
        await store.snapshots.latest("limits:charter", AdaptiveLimits)


async def asked(loop: LoopParts, around: Surroundings) -> str:
    """Return the pre-filter of one look."""
    around.asked.clear()
    await read(loop, around.now)
    return around.asked[0]
