"""The guards on a real stack: a storm entered and left, a maintenance window, and a silence."""

import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from activities.model.audit import AuditEntry
from tests.end_to_end.mapek_command import mapek
from tests.end_to_end.stack_overrides import configured
from tests.support.stack import HEALTHY, LOOP, World
from tests.support.waiting import wait_until
from workflows import names

pytestmark = pytest.mark.stack

STORMY = {"plan": {"storm": {"unexplained": 0.2, "least": 1, "ill": 0.2, "leave_seconds": 4}}}
"""Two places of four are enough: what has to be shown is what follows, and not how much is much."""
CLOSED = {"plan": {"windows": [{"name": "works", "cron": "* * * * *", "duration_seconds": 120}]}}


async def blocked_by(world: World, cycle: str) -> str:
    """Return the guard by which a cycle can be found in the Temporal UI."""
    found = await world.client.get_workflow_handle(cycle).describe()
    return str(found.typed_search_attributes.get(names.BLOCKED) or "")


async def explained(world: World, cycle: str) -> str:
    """Return what `mapek explain` says of a cycle."""
    said = await mapek(world, "explain", cycle)
    assert said.code == 0
    return said.out


async def counted(world: World, rule: str) -> float:
    """Return how often the worker says it was stopped by a rule."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{world.stack.addresses.mapek}/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("mapek_blocked_total") and f'"{rule}"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def test_a_storm_is_entered_and_left(world: World) -> None:
    """With much in trouble nothing is done and one row says so; when all is well it is left and the loop acts again."""

    async def storms() -> list[AuditEntry]:
        return [row for row in await world.store.audit.of_loop(LOOP, 1000) if row.kind == "storm"]

    async with configured(world, STORMY):
        since = await world.strike_in_full("retry-cascade", "gateway")
        held = await world.cycle(["observed"], since, 40.0)

        async def in_storm() -> list[AuditEntry]:
            return await storms()

        (entered,) = await wait_until("the storm", in_storm, HEALTHY)
        assert entered.text.startswith("entered: ")
        assert await world.ledger(entered.at) == []
        assert await counted(world, "storm") >= 1
        await world.heal()

        async def left() -> bool:
            return len(await storms()) == 2

        await wait_until("the end of the storm", left, 60.0)
        assert (await storms())[1].text.startswith("left after ")
        assert (await world.store.guards.state("charter", time.time())).storms == ()
        assert held.result.plans == ()


async def test_a_maintenance_window_holds_the_plan_back(world: World) -> None:
    """While a window closes, the cycle is blocked by name, findable by it, and nothing is changed."""
    async with configured(world, CLOSED):
        since = await world.strike("overload", "gateway")
        held = await world.cycle(["blocked"], since, 40.0)
        assert held.result.blocked_by == ("window",)
        assert "closed by window works until" in held.result.headline
        assert await blocked_by(world, held.id) == "window"
        assert "closed by window works until" in await explained(world, held.id)
        assert await counted(world, "window") >= 1
        assert await world.ledger(since) == []
        await world.heal()


async def test_a_silence_is_observed_only(world: World) -> None:
    """What Alertmanager was told to keep quiet about is explained and not acted upon; when that ends, it is."""
    now = datetime.now(UTC)
    silence = {
        "matchers": [{"name": "node_or_service", "value": "policy-engine", "isRegex": False, "isEqual": True}],
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(hours=1)).isoformat(),
        "createdBy": "a test",
        "comment": "the test wants it",
    }
    async with httpx.AsyncClient(base_url=world.stack.addresses.alertmanager, trust_env=False) as alertmanager:
        made = json.loads((await alertmanager.post("/api/v2/silences", json=silence)).raise_for_status().text)
        since = await world.strike("overload", "policy-engine")
        held = await world.cycle(["observed"], since, 40.0)
        assert held.result.blocked_by == ("silenced",)
        assert await blocked_by(world, held.id) == "silenced"
        assert "silenced at Alertmanager" in await explained(world, held.id)
        assert await world.ledger(since) == []
        (await alertmanager.delete(f"/api/v2/silence/{made['silenceID']}")).raise_for_status()
        assert (await world.remedy(since)).plan.component == "policy-engine"
