"""The maximum cost of a cycle and a remediation on a real stack: events, bytes, queries, writes."""

import re
import sqlite3
import time
from contextlib import closing

import httpx
import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from activities.model import identifiers
from activities.model.mode import LoopMode
from tests.end_to_end.background_scenarios import BUDGET_INCIDENTS, BackgroundScenarios
from tests.end_to_end.crash_steps import read_data_version
from tests.end_to_end.incidents import IncidentRecord
from tests.support.stack import LOOP_NAME, StackHarness, paused_schedules

pytestmark = pytest.mark.stack

HEALTHY_EVENTS, TROUBLED_EVENTS, FURTHER_KNOB = 12, 29, 2
KEPT_PLAN_EVENTS, SETTLE_EVENTS, ROLLED_BACK_EVENTS = 42, 5, 56
HISTORY_BYTES = 16 * 1024
HEALTHY_QUERIES = 2
CYCLES = 3
REQUESTS_PATTERN = re.compile(r'^prometheus_http_requests_total\{.*handler="/api/v1/(query|query_range)"\} (\d+)', re.M)


async def fetch_history(harness: StackHarness, workflow_id: str, run_id: str | None = None) -> list[HistoryEvent]:
    return list((await harness.client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()).events)


def count_bytes(events: list[HistoryEvent]) -> int:
    return sum(event.ByteSize() for event in events)


def count_activities(events: list[HistoryEvent]) -> int:
    return sum(event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED for event in events)


@pytest.fixture(params=BUDGET_INCIDENTS)
async def incident_record(background_scenarios: BackgroundScenarios, request: pytest.FixtureRequest) -> IncidentRecord:
    """Return the record of a healed incident, and of a rolled back one."""
    return await background_scenarios.incident_records.wait_for_incident(request.param)


async def test_cycle_in_an_incident_is_small(
    background_scenarios: BackgroundScenarios, incident_record: IncidentRecord
) -> None:
    """Every cycle in an incident has at most 29 events and 16 KB."""
    harness = await background_scenarios.harness
    for cycle in incident_record.cycles:
        events = await fetch_history(harness, cycle.id)
        assert len(events) <= TROUBLED_EVENTS
        assert count_bytes(events) <= HISTORY_BYTES
    assert any(cycle.result.plans for cycle in incident_record.cycles)


async def test_further_knob_costs_two_events(background_scenarios: BackgroundScenarios) -> None:
    """A cycle with plans for two knobs has at most 2 events more and 16 KB."""
    harness, cycle = (
        await background_scenarios.harness,
        await background_scenarios.incident_records.wait_for_two_faults(),
    )
    assert len(cycle.result.plans) == 2
    events = await fetch_history(harness, cycle.id)
    assert len(events) <= TROUBLED_EVENTS + FURTHER_KNOB
    assert count_bytes(events) <= HISTORY_BYTES


async def test_remediation_is_small(background_scenarios: BackgroundScenarios, incident_record: IncidentRecord) -> None:
    """A remediation with a settle time has at most 47 events, a rolled back one 56; both at most 16 KB."""
    harness, handle = await background_scenarios.harness, incident_record.remediation.handle
    events = await fetch_history(harness, handle.id, handle.run_id)
    max_events = ROLLED_BACK_EVENTS if incident_record.result.rolled_back else KEPT_PLAN_EVENTS + SETTLE_EVENTS
    assert len(incident_record.remediation.plan.actions) <= 2
    assert incident_record.remediation.plan.settle > 0
    assert len(events) <= max_events
    assert count_bytes(events) <= HISTORY_BYTES


async def test_healthy_cycle_is_small(harness: StackHarness) -> None:
    """A healthy cycle has 12 events with one activity, 2 queries of Prometheus and no write to the store."""
    prometheus = harness.stack.addresses.prometheus
    async with paused_schedules(harness), httpx.AsyncClient(base_url=prometheus, trust_env=False) as http:
        with closing(sqlite3.connect(harness.store_file, isolation_level=None)) as store:
            before, version = await count_requests(http), read_data_version(store)
            for _ in range(CYCLES):
                events = await run_healthy_cycle(harness)
                assert len(events) <= HEALTHY_EVENTS
                assert count_activities(events) == 1
            after = await count_requests(http)
            assert 0 < after["query"] - before["query"] <= HEALTHY_QUERIES * CYCLES
            assert after.get("query_range", 0) == before.get("query_range", 0)
            assert read_data_version(store) == version
            await harness.set_mode(LoopMode.ACT)
            assert read_data_version(store) != version, "the test cannot detect a write"


async def run_healthy_cycle(harness: StackHarness) -> list[HistoryEvent]:
    """Trigger the schedule and return the history of the healthy cycle."""
    since = time.time()
    await harness.client.get_schedule_handle(identifiers.schedule_id(LOOP_NAME)).trigger()
    cycle = (await harness.wait_for_cycles(1, since, 20.0))[0]
    assert cycle.result.outcome == "healthy"
    return await fetch_history(harness, cycle.id)


async def count_requests(prometheus: httpx.AsyncClient) -> dict[str, int]:
    """Return the number of queries of each kind at Prometheus."""
    text = (await prometheus.get("/metrics")).raise_for_status().text
    counts: dict[str, int] = {}
    for kind, number in REQUESTS_PATTERN.findall(text):
        counts[kind] = counts.get(kind, 0) + int(number)
    return counts
