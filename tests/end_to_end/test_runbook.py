"""Executes every `mapek` command and every request to the simulator in README and runbook."""

import re
import shlex
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.mapek_command import run_mapek
from tests.support.documents import list_commands
from tests.support.stack import LOOP_NAME, StackHarness, StartedRemediation

pytestmark = pytest.mark.stack

MENTIONED_COMMANDS = frozenset({"mapek explain", "mapek undo", "mapek worker"})
"""Mentioned in a sentence without arguments; the worker always runs."""

EXPECTED_REFUSALS = {
    "approve": "no plan waits for approval",
    "reject": "no plan waits for approval",
    "resume --knob": "no knob is quarantined",
    "notify": "no target is configured",
    "restore": "a store in use is not overwritten",
    "undo": "another writer can have changed the knob since",
}
"""Commands that can fail on a healthy stack, with the reason."""


def list_mapek_commands() -> list[str]:
    """Return each `mapek` command once, without its path."""
    commands = [command.removeprefix(".venv/bin/") for command in list_commands()]
    selected = (c for c in commands if c.startswith("mapek ") and c not in MENTIONED_COMMANDS)
    return list(dict.fromkeys(selected))


def expand_arguments(command: str, plan: str, file: str) -> list[str]:
    """Return the arguments of a command with values for its placeholders, including optional arguments.

    The stack is minutes old, so 7d becomes 2m.
    """
    words = shlex.split(command.replace("[", "").replace("]", ""))[1:]
    values = {"ID": plan, "PLAN": plan, "KNOB": "committee", "...": "a rehearsal", "FILE": file, "7d": "2m"}
    return [values.get(word, word) for word in words]


async def run_healed_incident(harness: StackHarness) -> StartedRemediation:
    """Return the ended remediation of an incident."""
    since = await harness.inject_fault("overload", "gateway")
    remedy = await harness.wait_for_remediation(since)
    assert (await remedy.wait_for_result()).outcome in ("fixed", "improved")
    await harness.clear_faults()
    return remedy


async def test_every_command_works(harness: StackHarness, tmp_path: Path) -> None:
    """Each command succeeds or fails as expected, and none is a usage error."""
    plan = (await run_healed_incident(harness)).plan.plan_id
    try:
        for command in list_mapek_commands():
            words = expand_arguments(command, plan, str(tmp_path / "backup.db"))
            result = await run_mapek(harness, *words)
            name = "resume --knob" if "--knob" in words else words[0]
            refused = result.exit_code in (1, 2) and name in EXPECTED_REFUSALS and "Usage:" not in result.stderr
            assert result.exit_code == 0 or refused, (command, result)
            if words[0] in ("stop", "pause"):
                assert (await run_mapek(harness, "resume", LOOP_NAME, "--mode", "act")).exit_code == 0
    finally:
        assert (await run_mapek(harness, "resume", LOOP_NAME, "--mode", "act")).exit_code == 0


async def test_requests_to_the_simulator_work(harness: StackHarness) -> None:
    """The requests that inject and clear faults succeed."""
    for command in [command for command in list_commands() if command.startswith("curl ")]:
        method, path, body = parse_curl(command)
        response = await harness.charter.request(
            method, path, content=body, headers={"content-type": "application/json"}
        )
        assert response.is_success, (command, response.text)
    assert (await harness.charter.get("/sim/state")).json()["faults"] == []


def parse_curl(command: str) -> tuple[str, str, str | None]:
    """Return method, path and body of a curl command."""
    words = shlex.split(command)
    options: dict[str, Any] = {word: words[index + 1] for index, word in enumerate(words[:-1]) if word in ("-X", "-d")}
    (url,) = [word for word in words if word.startswith("localhost:")]
    return options["-X"], httpx.URL(f"http://{url}").path, options.get("-d")


async def test_kill_switch_command_stops_changes(harness: StackHarness) -> None:
    """While the file exists a problem is explained without any change; without the file it is remediated."""
    (command,) = [command for command in list_commands() if command.startswith("touch ")]
    switch = harness.stack.state.path / re.sub(r"^\.mapek/", "", command.split()[1])
    switch.touch()
    try:
        since = await harness.inject_fault("overload", "policy-engine")
        cycle = await harness.wait_for_cycle(["observed", "blocked"], since, 30.0)
        assert await harness.fetch_ledger(since) == []
    finally:
        switch.unlink()
    assert cycle.started_at >= since
    assert (await harness.wait_for_remediation(time.time() - 1.0, 60.0)).plan.plan_id
