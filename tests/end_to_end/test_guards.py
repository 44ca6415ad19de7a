"""Guards on a real stack: a storm, a maintenance window and a silence."""

import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from activities.model.audit import AuditEntry
from tests.end_to_end.mapek_command import run_mapek
from tests.end_to_end.stack_overrides import worker_settings
from tests.support.stack import HEALTHY_TIMEOUT_SECONDS, LOOP_NAME, StackHarness
from tests.support.waiting import wait_until
from workflows import search_attributes

pytestmark = pytest.mark.stack

STORM_SETTINGS = {
    "plan": {"storm": {"unexplained_fraction": 0.2, "min_components": 1, "affected_fraction": 0.2, "exit_hold": 4}}
}
"""Low limits: the test checks the consequences of a storm, not its limits."""
BLOCKED_WINDOW_SETTINGS = {"plan": {"windows": [{"name": "works", "cron": "* * * * *", "duration_seconds": 120}]}}


async def find_blocking_rule(harness: StackHarness, cycle: str) -> str:
    """Return the blocking guard in a cycle's search attributes."""
    description = await harness.client.get_workflow_handle(cycle).describe()
    return str(description.typed_search_attributes.get(search_attributes.BLOCKED_BY) or "")


async def explain_cycle(harness: StackHarness, cycle: str) -> str:
    """Return the output of `mapek explain` for a cycle."""
    result = await run_mapek(harness, "explain", cycle)
    assert result.exit_code == 0
    return result.stdout


async def count_blocked(harness: StackHarness, rule: str) -> float:
    """Return the worker's count of blocks by a rule."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{harness.stack.addresses.mapek}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("mapek_blocked_total") and f'"{rule}"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_storm_starts_and_ends(harness: StackHarness) -> None:
    """During a storm no plan starts and the audit has one row; it ends when the faults are cleared."""

    async def load_storm_rows() -> list[AuditEntry]:
        return [row for row in await harness.store.audit.load_for_loop(LOOP_NAME, 1000) if row.kind == "storm"]

    async with worker_settings(harness, STORM_SETTINGS):
        since = await harness.inject_fault_fully("retry-cascade", "gateway")
        cycle = await harness.wait_for_cycle(["observed"], since, 40.0)

        (entered,) = await wait_until("the storm", load_storm_rows, HEALTHY_TIMEOUT_SECONDS)
        assert entered.summary.startswith("entered: ")
        assert await harness.fetch_ledger(entered.at) == []
        assert await count_blocked(harness, "storm") >= 1
        await harness.clear_faults()

        async def has_ended() -> bool:
            return len(await load_storm_rows()) == 2

        await wait_until("the end of the storm", has_ended, 60.0)
        assert (await load_storm_rows())[1].summary.startswith("left after ")
        assert (await harness.store.guards.load_state("charter", time.time())).storms == ()
        assert cycle.result.plans == ()


async def test_maintenance_window_blocks_the_plan(harness: StackHarness) -> None:
    """During a blocking window cycles are blocked with its name and change nothing."""
    async with worker_settings(harness, BLOCKED_WINDOW_SETTINGS):
        since = await harness.inject_fault("overload", "gateway")
        cycle = await harness.wait_for_cycle(["blocked"], since, 40.0)
        assert cycle.result.blocked_by == ("window",)
        assert "blocked by window works until" in cycle.result.headline
        assert await find_blocking_rule(harness, cycle.id) == "window"
        assert "blocked by window works until" in await explain_cycle(harness, cycle.id)
        assert await count_blocked(harness, "window") >= 1
        assert await harness.fetch_ledger(since) == []
        await harness.clear_faults()


async def test_silenced_component_is_only_observed(harness: StackHarness) -> None:
    """A silenced component is explained but not remediated until the silence ends."""
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "node_or_service", "value": "policy-engine", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "a test",
        "comment": "required by the test",
    }
    async with httpx.AsyncClient(base_url=harness.stack.addresses.alertmanager, trust_env=False) as alertmanager:
        created = json.loads((await alertmanager.post("/api/v2/silences", json=silence)).raise_for_status().text)
        since = await harness.inject_fault("overload", "policy-engine")
        cycle = await harness.wait_for_cycle(["observed"], since, 40.0)
        assert cycle.result.blocked_by == ("silenced",)
        assert await find_blocking_rule(harness, cycle.id) == "silenced"
        assert "silenced at Alertmanager" in await explain_cycle(harness, cycle.id)
        assert await harness.fetch_ledger(since) == []
        (await alertmanager.delete(f"/api/v2/silence/{created['silenceID']}")).raise_for_status()
        assert (await harness.wait_for_remediation(since)).plan.component == "policy-engine"
