"""The kill switch during an apply, notifications, and a change of the configuration."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml

from deploy.devstack.state import write_private
from tests.end_to_end.mapek_command import run_mapek
from tests.support.notification_receivers import running_http_receiver
from tests.support.stack import LOOP_NAME, StackHarness
from tests.support.waiting import wait_until
from worker.config.document import deep_merge

pytestmark = pytest.mark.stack

RELOAD_TIMEOUT_SECONDS = 20.0
"""Maximum until a changed configuration is in force; the worker checks the file every 5 s."""


@asynccontextmanager
async def active_kill_switch(harness: StackHarness, reason: str) -> AsyncIterator[None]:
    """Switch the kill switch on for the duration of a block."""
    switch = harness.stack.state.path / "kill-switch"
    switch.write_text(reason)
    try:
        yield
    finally:
        switch.unlink(missing_ok=True)


@asynccontextmanager
async def changed_settings(harness: StackHarness, settings: Mapping[str, Any]) -> AsyncIterator[None]:
    """Change the configuration of the running worker for the duration of a block."""
    file = harness.stack.state.config_file
    original = file.read_text()

    async def write_and_wait(text: str) -> None:
        before = len(await harness.store.audit.load_for_loop(LOOP_NAME, 10_000))
        write_private(file, text)

        async def is_in_force() -> bool:
            rows = (await harness.store.audit.load_for_loop(LOOP_NAME, 10_000))[before:]
            return any(row.kind == "config" for row in rows)

        await wait_until("the changed configuration in force", is_in_force, RELOAD_TIMEOUT_SECONDS)

    await write_and_wait(yaml.safe_dump(deep_merge(yaml.safe_load(original), settings)))
    try:
        yield
    finally:
        await write_and_wait(original)


async def wait_for_change_sent(harness: StackHarness, since: float) -> None:
    """Wait until a change was sent to Charter."""

    async def is_sent() -> bool:
        return any(
            row.kind == "attempt" and row.at > since for row in await harness.store.audit.load_for_loop(LOOP_NAME)
        )

    await wait_until("a sent change", is_sent, 40.0, 0.02)


@pytest.mark.parametrize(
    ("mode", "delay", "outcomes", "effects"),
    [
        ("hang-then-execute", 2.0, ("fixed", "improved"), ["applied"]),
        ("reply-lost", 1.0, ("fixed", "improved"), ["applied"]),
        ("unavailable", 1.0, ("stopped",), []),
    ],
)
async def test_kill_switch_during_an_apply(
    harness: StackHarness, mode: str, delay: float, outcomes: tuple[str, ...], effects: list[str]
) -> None:
    """An executed change is verified, another one is not sent again, and no plan starts while the switch is on."""
    await harness.set_api_fault(mode, "/api/v1/policies/apply", delay=delay)
    since = await harness.inject_fault_fully("overload", "gateway")
    await wait_for_change_sent(harness, since)
    async with active_kill_switch(harness, "ada: Charter is being moved"):
        remedy = await harness.wait_for_remediation(since)
        result = await remedy.wait_for_result()
        assert result.outcome in outcomes
        assert await harness.list_effects(remedy.plan) == effects
        output = await run_mapek(harness, "explain", remedy.plan.plan_id)
        assert f"Verdict: {result.outcome} (" in output.stdout
        if not effects:
            assert "kill switch" in output.stdout
        await harness.clear_faults()
        later = await harness.inject_fault("overload", "audit-log")
        blocked = await harness.wait_for_cycle(["blocked"], later, 30.0)
        assert "ada: Charter is being moved" in blocked.result.headline
        assert "kill-switch on" in (await run_mapek(harness, "explain", blocked.id)).stdout
        assert "kill switch: " in (await run_mapek(harness, "status")).stdout
        assert await harness.list_remediations(later) == []
    again = await harness.wait_for_remediation(later, 40.0)
    assert (await again.wait_for_result()).outcome in ("fixed", "improved")


async def test_changed_configuration_notifies_of_an_approval(harness: StackHarness) -> None:
    """A running worker adopts a new target and required approval; the target gets request and end."""
    async with running_http_receiver() as hook:
        target = {"name": "ops", "kind": "webhook", "address": f"http://127.0.0.1:{hook.port}/in"}
        settings = {"notify": {"targets": [target]}, "plan": {"approval": {"from_risk": "low"}}}
        async with changed_settings(harness, settings):
            since = await harness.inject_fault("overload", "gateway")
            remedy = await harness.wait_for_remediation(since)

            async def find_messages() -> list[dict[str, Any]]:
                return [body for body in hook.bodies if body["plan"] == remedy.plan.plan_id]

            (first,) = await wait_until("the notification of the approval", find_messages, 20.0)
            assert (first["kind"], first["status"], first["key"]) == ("approval", "open", remedy.plan.incident_id)
            assert f"mapek approve {remedy.plan.plan_id}" in first["details"]
            assert (
                await run_mapek(harness, "reject", remedy.plan.plan_id, "--actor", "ada", "--reason", "no")
            ).exit_code == 0

            async def is_resolved() -> bool:
                return any(body["status"] == "resolved" for body in await find_messages())

            await wait_until("the notification of the end", is_resolved, 20.0)
            await harness.clear_faults()
        output = await run_mapek(harness, "audit", LOOP_NAME)
        assert '"low"' in output.stdout
