"""What a cycle and a remediation may cost: events and bytes of history, queries, writes. Counted on a real stack."""

import re
import sqlite3
import time
from contextlib import closing

import httpx
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from activities.model.mode import ModeName
from tests.end_to_end.background_scenarios import FIRST, Background
from tests.end_to_end.crash_steps import data_version
from tests.end_to_end.incidents import Remedied
from tests.support.stack import LOOP, World, calm
from workflows import names

pytestmark = pytest.mark.stack

HEALTHY_EVENTS, TROUBLED_EVENTS, FURTHER_KNOB = 12, 29, 2
KEPT_EVENTS, SETTLE_EVENTS, ROLLED_BACK_EVENTS = 42, 5, 56
HISTORY_BYTES = 16 * 1024
HEALTHY_QUERIES = 2
CYCLES = 3
REQUESTS = re.compile(r'^prometheus_http_requests_total\{.*handler="/api/v1/(query|query_range)"\} (\d+)', re.M)


async def history(world: World, workflow_id: str, run_id: str | None = None) -> list[HistoryEvent]:
    return list((await world.client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()).events)


def size(events: list[HistoryEvent]) -> int:
    return sum(event.ByteSize() for event in events)


def activities(events: list[HistoryEvent]) -> int:
    return sum(event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED for event in events)


@pytest.fixture(params=FIRST)
async def told(background: Background, request: pytest.FixtureRequest) -> Remedied:
    """The record of an incident that was healed, and of one that was rolled back."""
    return await background.gallery.remedied(request.param)


async def test_troubled_cycle_is_small(background: Background, told: Remedied) -> None:
    """Whatever a cycle decides in an incident, it has at most 29 events and 16 KB."""
    world = await background.world
    for cycle in told.cycles:
        events = await history(world, cycle.id)
        assert len(events) <= TROUBLED_EVENTS
        assert size(events) <= HISTORY_BYTES
    assert any(cycle.result.plans for cycle in told.cycles)


async def test_further_knob_costs_two_events(background: Background) -> None:
    """A cycle that plans for two knobs has at most 2 events more, and still at most 16 KB."""
    world, cycle = await background.world, await background.gallery.twofold()
    assert len(cycle.result.plans) == 2
    events = await history(world, cycle.id)
    assert len(events) <= TROUBLED_EVENTS + FURTHER_KNOB
    assert size(events) <= HISTORY_BYTES


async def test_remediation_is_small(background: Background, told: Remedied) -> None:
    """A remediation that settles has at most 42 + 5 events, rolled back 56; one of up to two actions 16 KB."""
    world, handle = await background.world, told.remedy.handle
    events = await history(world, handle.id, handle.run_id)
    bound = ROLLED_BACK_EVENTS if told.result.rolled_back else KEPT_EVENTS + SETTLE_EVENTS
    assert len(told.remedy.plan.actions) <= 2
    assert told.remedy.plan.settle > 0
    assert len(events) <= bound
    assert size(events) <= HISTORY_BYTES


async def test_healthy_cycle(world: World) -> None:
    """A healthy cycle is one activity in 12 events, asks Prometheus at most twice and writes nothing into the store."""
    prometheus = world.stack.addresses.prometheus
    async with calm(world), httpx.AsyncClient(base_url=prometheus, trust_env=False) as http:
        with closing(sqlite3.connect(world.store_file, isolation_level=None)) as store:
            asked, version = await requests(http), data_version(store)
            for _ in range(CYCLES):
                events = await healthy_cycle(world)
                assert len(events) <= HEALTHY_EVENTS
                assert activities(events) == 1
            now = await requests(http)
            assert 0 < now["query"] - asked["query"] <= HEALTHY_QUERIES * CYCLES
            assert now.get("query_range", 0) == asked.get("query_range", 0)
            assert data_version(store) == version
            await world.set_mode(ModeName.ACT)
            assert data_version(store) != version, "a write would not have been noticed"


async def healthy_cycle(world: World) -> list[HistoryEvent]:
    """Let the schedule start one cycle now, which is healthy, and return its history."""
    since = time.time()
    await world.client.get_schedule_handle(names.schedule_id(LOOP)).trigger()
    cycle = (await world.several(1, since, 20.0))[0]
    assert cycle.result.outcome == "healthy"
    return await history(world, cycle.id)


async def requests(prometheus: httpx.AsyncClient) -> dict[str, int]:
    """Return how many queries of each kind Prometheus has answered."""
    text = (await prometheus.get("/metrics")).raise_for_status().text
    found: dict[str, int] = {}
    for kind, number in REQUESTS.findall(text):
        found[kind] = found.get(kind, 0) + int(number)
    return found
