"""Upkeep makes the adaptive limits, and Monitor renders them, over a real store."""

import asyncio
from typing import Any, cast

import pytest

from activities.clients.store.adaptive_limits import CACHE_SECONDS, AdaptiveLimitsStore
from activities.clients.store.store import Store, open_store
from activities.dependencies import Dependencies, LoopDependencies
from activities.model.baseline import AdaptiveLimits
from activities.model.errors import StoreUnavailable, Unreachable
from activities.model.timeseries import SampleSeries
from activities.monitor.settings import MetricEntry, MonitorSettings
from activities.readings.analysis_input import make_input_loader
from activities.readings.instant import fetch_instant
from activities.settings import LoopSettings
from activities.upkeep import activity as upkeep
from activities.upkeep.activity import UpkeepActivities

QUEUE_METRIC = MetricEntry(name="queue", query="queue_length", unit="", kind="count")
BACKLOG_METRIC = MetricEntry(name="backlog", query="backlog_length", unit="", kind="count")
LOOP_SETTINGS = LoopSettings(monitor=MonitorSettings(metrics=(QUEUE_METRIC,)))


class FakeServices:
    """A clock, a Prometheus whose every value is 10, and a Charter that does not answer."""

    def __init__(self) -> None:
        self.now, self.queries, self.ranges = 1_700_000_000.0, [], set()
        self.is_down = self.is_slow = False

    def clock(self) -> float:
        return self.now

    async def query(self, promql: str, *_: float) -> tuple[()]:
        self.queries.append(promql)
        return ()

    async def query_range(
        self, promql: str, start: float, end: float, step: float, *_: None
    ) -> tuple[SampleSeries, ...]:
        if self.is_down:
            raise Unreachable("Prometheus: connection refused")
        if self.is_slow:
            await asyncio.Event().wait()
        self.ranges.add(promql)
        points = tuple((start + step * i, 10.0) for i in range(round((end - start) / step) + 1))
        rules = [rule for rule in ("queue", "backlog") if f'"{rule}"' in promql]
        return tuple(SampleSeries(labels={"node_or_service": "shop", "rule": rule}, points=points) for rule in rules)

    async def fetch_violations(self, _: float) -> tuple[()]:
        raise Unreachable("Charter")

    async def fetch_committee(self) -> None:
        raise Unreachable("Charter")

    async def fetch_policies(self, **_: bool) -> None:
        raise Unreachable("Charter")


def make_upkeep(loop: LoopDependencies, store: Store, services: FakeServices) -> UpkeepActivities:
    return UpkeepActivities(Dependencies({"charter": loop}, store, services.clock, "w"), cast(Any, None))


async def test_a_version_is_made_kept_and_rendered():
    """Made once in five minutes, read by another process, kept while Prometheus is down, in the query as a number."""
    around = FakeServices()
    remote = cast(Any, around)
    store = await open_store("memory")
    limits = AdaptiveLimitsStore(store.snapshots, "charter", around.clock)
    loop = LoopDependencies(LOOP_SETTINGS, remote, remote, limits=limits)
    keeping = make_upkeep(loop, store, around)
    assert "queue_length" not in await render_prefilter(loop, around)
    assert "1 adaptive limits, version" in await keeping.refresh_limits("charter", around.now)
    assert await keeping.refresh_limits("charter", around.now + 250.0) == ""
    assert "vector(" in await render_prefilter(loop, around)
    elsewhere = AdaptiveLimitsStore(store.snapshots, "charter", around.clock)
    assert await elsewhere.load_newest() == await limits.load_newest()
    first = await limits.load_newest()
    around.now, around.is_down = around.now + 300.0, True
    assert await keeping.refresh_limits("charter", around.now) == "adaptive limits are not refreshed"
    assert await limits.load_newest() == first
    around.is_down = False
    assert "version" in await keeping.refresh_limits("charter", around.now)
    assert await elsewhere.load_newest() == await limits.load_newest() != first
    await store.close()


@pytest.mark.parametrize(("components", "queries"), [(10, 1), (3000, 2)])
async def test_many_components_are_learned_from_in_parts(components: int, queries: int):
    """No chain of `or` grows over thousands of series, and no metric is left out for it."""
    around = FakeServices()
    store = await open_store("memory")
    settings = LoopSettings(
        components=tuple(f"c{number}" for number in range(components)),
        monitor=MonitorSettings(metrics=(QUEUE_METRIC, BACKLOG_METRIC)),
    )
    limits = AdaptiveLimitsStore(store.snapshots, "charter", around.clock)
    loop = LoopDependencies(settings, cast(Any, around), cast(Any, around), limits=limits)
    assert "2 adaptive limits" in await make_upkeep(loop, store, around).refresh_limits("charter", around.now)
    assert len(around.ranges) == queries
    await store.close()


async def test_a_slow_prometheus_holds_nothing_up(monkeypatch: pytest.MonkeyPatch):
    """What takes too long is given up, so that upkeep gets to tell what is left to settle."""
    monkeypatch.setattr(upkeep, "LEARN_TIMEOUT_SECONDS", 0.01)
    around = FakeServices()
    around.is_slow = True
    store = await open_store("memory")
    loop = LoopDependencies(
        LOOP_SETTINGS,
        cast(Any, around),
        cast(Any, around),
        limits=AdaptiveLimitsStore(store.snapshots, "charter", around.clock),
    )
    assert (
        await make_upkeep(loop, store, around).refresh_limits("charter", around.now)
        == "adaptive limits are not refreshed"
    )
    await store.close()


async def test_a_round_looks_once():
    """Whatever needs a look in one round gets the same one: each might have to wait for a silent Prometheus."""
    around = FakeServices()
    look = make_input_loader(LoopDependencies(LOOP_SETTINGS, cast(Any, around), cast(Any, around)), around.clock)
    first = await look()
    around.now += 3600.0
    assert await look() is first


async def test_limits_that_grew_old_are_not_used():
    """After two hours without a new version nothing is judged by the last one."""
    around = FakeServices()
    remote = cast(Any, around)
    store = await open_store("memory")
    limits = AdaptiveLimitsStore(store.snapshots, "charter", around.clock)
    loop = LoopDependencies(LOOP_SETTINGS, remote, remote, limits=limits)
    await make_upkeep(loop, store, around).refresh_limits("charter", around.now)
    around.now += 7300.0
    assert "queue_length" not in await render_prefilter(loop, around)
    await store.close()


async def test_without_the_store_the_cached_version_stands():
    """A store that cannot be read does not blind a loop that knows its limits; one that never did has none."""
    around = FakeServices()
    store = await open_store("memory")
    known, fresh = (AdaptiveLimitsStore(store.snapshots, "charter", around.clock) for _ in range(2))
    loop = LoopDependencies(LOOP_SETTINGS, cast(Any, around), cast(Any, around), limits=known)
    await make_upkeep(loop, store, around).refresh_limits("charter", around.now)
    await store.close()
    around.now += CACHE_SECONDS
    assert await known.load_newest() is not None
    assert await fresh.load_newest() is None
    with pytest.raises(StoreUnavailable):
        await store.snapshots.load_latest("limits:charter", AdaptiveLimits)


async def render_prefilter(loop: LoopDependencies, services: FakeServices) -> str:
    """Return the pre-filter of one look."""
    services.queries.clear()
    await fetch_instant(loop, services.now)
    return services.queries[0]
