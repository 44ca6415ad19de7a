"""The guards on a real stack: a storm entered and left, a maintenance window, and a silence."""

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
    "plan": {"storm": {"unexplained": 0.2, "min_components": 1, "affected_fraction": 0.2, "exit_hold": 4}}
}
"""Two places of four are enough: what has to be shown is what follows, and not how much is much."""
BLOCKED_WINDOW_SETTINGS = {"plan": {"windows": [{"name": "works", "cron": "* * * * *", "duration_seconds": 120}]}}


async def find_blocking_rule(harness: StackHarness, cycle: str) -> str:
    """Return the guard by which a cycle can be found in the Temporal UI."""
    found = await harness.client.get_workflow_handle(cycle).describe()
    return str(found.typed_search_attributes.get(search_attributes.BLOCKED_BY) or "")


async def explain_cycle(harness: StackHarness, cycle: str) -> str:
    """Return what `mapek explain` says of a cycle."""
    said = await run_mapek(harness, "explain", cycle)
    assert said.exit_code == 0
    return said.stdout


async def count_blocked(harness: StackHarness, rule: str) -> float:
    """Return how often the worker says it was stopped by a rule."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{harness.stack.addresses.mapek}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("mapek_blocked_total") and f'"{rule}"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_a_storm_is_entered_and_left(harness: StackHarness) -> None:
    """With much in trouble nothing is done and one row says so; when all is well it is left and the loop acts again."""

    async def storms() -> list[AuditEntry]:
        return [row for row in await harness.store.audit.load_for_loop(LOOP_NAME, 1000) if row.kind == "storm"]

    async with worker_settings(harness, STORM_SETTINGS):
        since = await harness.inject_fault_fully("retry-cascade", "gateway")
        held = await harness.wait_for_cycle(["observed"], since, 40.0)

        async def in_storm() -> list[AuditEntry]:
            return await storms()

        (entered,) = await wait_until("the storm", in_storm, HEALTHY_TIMEOUT_SECONDS)
        assert entered.summary.startswith("entered: ")
        assert await harness.fetch_ledger(entered.at) == []
        assert await count_blocked(harness, "storm") >= 1
        await harness.clear_faults()

        async def left() -> bool:
            return len(await storms()) == 2

        await wait_until("the end of the storm", left, 60.0)
        assert (await storms())[1].summary.startswith("left after ")
        assert (await harness.store.guards.load_state("charter", time.time())).storms == ()
        assert held.result.plans == ()


async def test_a_maintenance_window_holds_the_plan_back(harness: StackHarness) -> None:
    """While a window closes, the cycle is blocked by name, findable by it, and nothing is changed."""
    async with worker_settings(harness, BLOCKED_WINDOW_SETTINGS):
        since = await harness.inject_fault("overload", "gateway")
        held = await harness.wait_for_cycle(["blocked"], since, 40.0)
        assert held.result.blocked_by == ("window",)
        assert "closed by window works until" in held.result.headline
        assert await find_blocking_rule(harness, held.id) == "window"
        assert "closed by window works until" in await explain_cycle(harness, held.id)
        assert await count_blocked(harness, "window") >= 1
        assert await harness.fetch_ledger(since) == []
        await harness.clear_faults()


async def test_a_silence_is_observed_only(harness: StackHarness) -> None:
    """What Alertmanager was told to keep quiet about is explained and not acted upon; when that ends, it is."""
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "node_or_service", "value": "policy-engine", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "a test",
        "comment": "the test wants it",
    }
    async with httpx.AsyncClient(base_url=harness.stack.addresses.alertmanager, trust_env=False) as alertmanager:
        made = json.loads((await alertmanager.post("/api/v2/silences", json=silence)).raise_for_status().text)
        since = await harness.inject_fault("overload", "policy-engine")
        held = await harness.wait_for_cycle(["observed"], since, 40.0)
        assert held.result.blocked_by == ("silenced",)
        assert await find_blocking_rule(harness, held.id) == "silenced"
        assert "silenced at Alertmanager" in await explain_cycle(harness, held.id)
        assert await harness.fetch_ledger(since) == []
        (await alertmanager.delete(f"/api/v2/silence/{made['silenceID']}")).raise_for_status()
        assert (await harness.wait_for_remediation(since)).plan.component == "policy-engine"
