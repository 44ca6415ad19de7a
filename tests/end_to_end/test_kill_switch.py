"""The kill switch in the middle of an apply, messages to people, and a configuration that changes meanwhile."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml

from deploy.devstack.layout import merge
from deploy.devstack.state import write_private
from tests.end_to_end.mapek_command import mapek
from tests.support.notification_receivers import http_receiver
from tests.support.stack import LOOP, World
from tests.support.waiting import wait_until

pytestmark = pytest.mark.stack

TAKEN = 20.0
"""Seconds in which a changed configuration is in force: the worker looks every 5 s."""


@asynccontextmanager
async def thrown(world: World, why: str) -> AsyncIterator[None]:
    """Throw the kill switch, and take it back at the end."""
    switch = world.stack.state.path / "kill-switch"
    switch.write_text(why)
    try:
        yield
    finally:
        switch.unlink(missing_ok=True)


@asynccontextmanager
async def reconfigured(world: World, settings: Mapping[str, Any]) -> AsyncIterator[None]:
    """Change the configuration of the running worker, and change it back at the end."""
    file = world.stack.state.config_file
    usual = file.read_text()

    async def written(text: str) -> None:
        before = len(await world.store.audit.of_loop(LOOP, 10_000))
        write_private(file, text)

        async def taken() -> bool:
            rows = (await world.store.audit.of_loop(LOOP, 10_000))[before:]
            return any(row.kind == "config" for row in rows)

        await wait_until("the changed configuration is in force", taken, TAKEN)

    await written(yaml.safe_dump(merge(yaml.safe_load(usual), settings)))
    try:
        yield
    finally:
        await written(usual)


async def sent(world: World, since: float) -> None:
    """Wait until a change is on its way to Charter."""

    async def look() -> bool:
        return any(row.kind == "attempt" and row.at > since for row in await world.store.audit.of_loop(LOOP))

    await wait_until("a change is on its way", look, 40.0, 0.02)


@pytest.mark.parametrize(
    ("mode", "delay", "endings", "effects"),
    [
        ("hang-then-execute", 2.0, ("fixed", "improved"), ["applied"]),
        ("reply-lost", 1.0, ("fixed", "improved"), ["applied"]),
        ("unavailable", 1.0, ("stopped",), []),
    ],
)
async def test_in_the_middle_of_an_apply(
    world: World, mode: str, delay: float, endings: tuple[str, ...], effects: list[str]
) -> None:
    """What was done is verified, what was not done is not done any more, and nothing new starts until it is off."""
    await world.behave(mode, "/api/v1/policies/apply", delay=delay)
    since = await world.strike_in_full("overload", "gateway")
    await sent(world, since)
    async with thrown(world, "ada: Charter is being moved"):
        remedy = await world.remedy(since)
        result = await remedy.ended()
        assert result.outcome in endings
        assert await world.effects(remedy.plan) == effects
        said = await mapek(world, "explain", remedy.plan.plan_id)
        assert f"Verdict: {result.outcome} (" in said.out
        if not effects:
            assert "kill switch" in said.out
        await world.heal()
        later = await world.strike("overload", "audit-log")
        held = await world.cycle(["blocked"], later, 30.0)
        assert "ada: Charter is being moved" in held.result.headline
        assert "kill-switch on" in (await mapek(world, "explain", held.id)).out
        assert "kill switch: " in (await mapek(world, "status")).out
        assert await world.remediations(later) == []
    again = await world.remedy(later, 40.0)
    assert (await again.ended()).outcome in ("fixed", "improved")


async def test_a_person_is_told_and_the_configuration_changes_meanwhile(world: World) -> None:
    """A running worker takes a receiver and a need of approval over; the receiver hears the wish, and its end."""
    async with http_receiver() as hook:
        target = {"name": "ops", "kind": "webhook", "address": f"http://127.0.0.1:{hook.port}/in"}
        settings = {"notify": {"targets": [target]}, "plan": {"approval": {"from_risk": "low"}}}
        async with reconfigured(world, settings):
            since = await world.strike("overload", "gateway")
            remedy = await world.remedy(since)

            async def told() -> list[dict[str, Any]]:
                return [body for body in hook.bodies if body["plan"] == remedy.plan.plan_id]

            (first,) = await wait_until("the wish for an approval", told, 20.0)
            assert (first["kind"], first["status"], first["key"]) == ("approval", "open", remedy.plan.incident_id)
            assert f"mapek approve {remedy.plan.plan_id}" in first["details"]
            assert (await mapek(world, "reject", remedy.plan.plan_id, "--who", "ada", "--why", "no")).code == 0

            async def over() -> bool:
                return any(body["status"] == "resolved" for body in await told())

            await wait_until("that nobody has to answer any more", over, 20.0)
            await world.heal()
        said = await mapek(world, "audit", LOOP)
        assert '"low"' in said.out
