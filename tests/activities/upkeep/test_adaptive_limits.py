"""Upkeep computes the adaptive limits, and Monitor renders them, over a real store."""

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
    """A clock, a Prometheus that always returns 10, and a Charter that does not answer."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.queries: list[str] = []
        self.ranges: set[str] = set()
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
    """Return the activities over one loop."""
    return UpkeepActivities(Dependencies({"charter": loop}, store, services.clock, "w"), cast(Any, None))


async def test_a_version_is_computed_stored_and_rendered() -> None:
    """It is computed every five minutes, read by any worker, kept without Prometheus, and rendered as a number."""
    services = FakeServices()
    remote = cast(Any, services)
    store = await open_store("memory")
    limits = AdaptiveLimitsStore(store.snapshots, "charter", services.clock)
    loop = LoopDependencies(LOOP_SETTINGS, remote, remote, limits=limits)
    upkeep_activities = make_upkeep(loop, store, services)
    assert "queue_length" not in await render_prefilter(loop, services)
    assert "1 adaptive limits, version" in await upkeep_activities.refresh_limits("charter", services.now)
    assert await upkeep_activities.refresh_limits("charter", services.now + 250.0) == ""
    assert "vector(" in await render_prefilter(loop, services)
    other_worker = AdaptiveLimitsStore(store.snapshots, "charter", services.clock)
    assert await other_worker.load_newest() == await limits.load_newest()
    first = await limits.load_newest()
    services.now, services.is_down = services.now + 300.0, True
    assert await upkeep_activities.refresh_limits("charter", services.now) == "adaptive limits are not refreshed"
    assert await limits.load_newest() == first
    services.is_down = False
    assert "version" in await upkeep_activities.refresh_limits("charter", services.now)
    assert await other_worker.load_newest() == await limits.load_newest() != first
    await store.close()


@pytest.mark.parametrize(("components", "queries"), [(10, 1), (3000, 2)])
async def test_many_components_are_queried_in_parts(components: int, queries: int) -> None:
    """The queries stay bounded with thousands of series, and include every metric."""
    services = FakeServices()
    store = await open_store("memory")
    settings = LoopSettings(
        components=tuple(f"c{number}" for number in range(components)),
        monitor=MonitorSettings(metrics=(QUEUE_METRIC, BACKLOG_METRIC)),
    )
    limits = AdaptiveLimitsStore(store.snapshots, "charter", services.clock)
    loop = LoopDependencies(settings, cast(Any, services), cast(Any, services), limits=limits)
    assert "2 adaptive limits" in await make_upkeep(loop, store, services).refresh_limits("charter", services.now)
    assert len(services.ranges) == queries
    await store.close()


async def test_a_slow_prometheus_does_not_delay_upkeep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The computation has a time-out, so that upkeep returns its leftovers."""
    monkeypatch.setattr(upkeep, "LEARN_TIMEOUT_SECONDS", 0.01)
    services = FakeServices()
    services.is_slow = True
    store = await open_store("memory")
    loop = LoopDependencies(
        LOOP_SETTINGS,
        cast(Any, services),
        cast(Any, services),
        limits=AdaptiveLimitsStore(store.snapshots, "charter", services.clock),
    )
    note = await make_upkeep(loop, store, services).refresh_limits("charter", services.now)
    assert note == "adaptive limits are not refreshed"
    await store.close()


async def test_a_round_reads_the_input_once() -> None:
    """Every part of a round gets the same input, because each reading may wait for a silent Prometheus."""
    services = FakeServices()
    load_input = make_input_loader(
        LoopDependencies(LOOP_SETTINGS, cast(Any, services), cast(Any, services)), services.clock
    )
    first = await load_input()
    services.now += 3600.0
    assert await load_input() is first


async def test_old_limits_are_not_used() -> None:
    """After two hours without a new version the last one expires."""
    services = FakeServices()
    remote = cast(Any, services)
    store = await open_store("memory")
    limits = AdaptiveLimitsStore(store.snapshots, "charter", services.clock)
    loop = LoopDependencies(LOOP_SETTINGS, remote, remote, limits=limits)
    await make_upkeep(loop, store, services).refresh_limits("charter", services.now)
    services.now += 7300.0
    assert "queue_length" not in await render_prefilter(loop, services)
    await store.close()


async def test_without_the_store_the_cached_version_is_used() -> None:
    """A worker with cached limits keeps them while the store is unavailable; a new worker has none."""
    services = FakeServices()
    store = await open_store("memory")
    cached, new = (AdaptiveLimitsStore(store.snapshots, "charter", services.clock) for _ in range(2))
    loop = LoopDependencies(LOOP_SETTINGS, cast(Any, services), cast(Any, services), limits=cached)
    await make_upkeep(loop, store, services).refresh_limits("charter", services.now)
    await store.close()
    services.now += CACHE_SECONDS
    assert await cached.load_newest() is not None
    assert await new.load_newest() is None
    with pytest.raises(StoreUnavailable):
        await store.snapshots.load_latest("limits:charter", AdaptiveLimits)


async def render_prefilter(loop: LoopDependencies, services: FakeServices) -> str:
    """Return the pre-filter query."""
    services.queries.clear()
    await fetch_instant(loop, services.now)
    return services.queries[0]
