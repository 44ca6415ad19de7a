"""README and runbook followed literally: every verb of `mapek` and every call of the simulator in them."""

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
"""Named in a sentence; with their arguments they are commands of their own, and the worker runs all the time."""

EXPECTED_REFUSALS = {
    "approve": "nothing waits for approval",
    "reject": "nothing waits for approval",
    "resume --knob": "nothing is quarantined",
    "notify": "no receiver is configured here",
    "restore": "a store in use is not overwritten",
    "undo": "somebody else may have changed the knob since",
}
"""Verbs whose answer may be no on a stack on which all is well."""


def list_mapek_commands() -> list[str]:
    """Return the commands for `mapek`, without the way to it, each once."""
    found = [one.removeprefix(".venv/bin/") for one in list_commands()]
    return list(dict.fromkeys(one for one in found if one.startswith("mapek ") and one not in MENTIONED_COMMANDS))


def expand_arguments(command: str, plan: str, file: str) -> list[str]:
    """Return a command's words with what stands for something replaced; what is in brackets is typed too.

    The stack is minutes old, so its past is.
    """
    words = shlex.split(command.replace("[", "").replace("]", ""))[1:]
    stands_for = {"ID": plan, "PLAN": plan, "KNOB": "committee", "...": "a rehearsal", "FILE": file, "7d": "2m"}
    return [stands_for.get(word, word) for word in words]


async def run_healed_incident(harness: StackHarness) -> StartedRemediation:
    """Return the remediation of an incident, ended."""
    since = await harness.inject_fault("overload", "gateway")
    remedy = await harness.wait_for_remediation(since)
    assert (await remedy.wait_for_result()).outcome in ("fixed", "improved")
    await harness.clear_faults()
    return remedy


async def test_every_verb(harness: StackHarness, tmp_path: Path) -> None:
    """Each command works as it stands; a no is the answer only where it has to be, and nothing is wrong use."""
    plan = (await run_healed_incident(harness)).plan.plan_id
    try:
        for command in list_mapek_commands():
            words = expand_arguments(command, plan, str(tmp_path / "backup.db"))
            said = await run_mapek(harness, *words)
            verb = "resume --knob" if "--knob" in words else words[0]
            refused = said.exit_code in (1, 2) and verb in EXPECTED_REFUSALS and "Usage:" not in said.stderr
            assert said.exit_code == 0 or refused, (command, said)
            if words[0] in ("stop", "pause"):
                assert (await run_mapek(harness, "resume", LOOP_NAME, "--mode", "act")).exit_code == 0
    finally:
        assert (await run_mapek(harness, "resume", LOOP_NAME, "--mode", "act")).exit_code == 0


async def test_the_simulator_s_doors(harness: StackHarness) -> None:
    """The calls that break something, and mend it again, do what they say."""
    for command in [one for one in list_commands() if one.startswith("curl ")]:
        method, path, body = parse_curl(command)
        reply = await harness.charter.request(method, path, content=body, headers={"content-type": "application/json"})
        assert reply.is_success, (command, reply.text)
    assert (await harness.charter.get("/sim/state")).json()["faults"] == []


def parse_curl(command: str) -> tuple[str, str, str | None]:
    """Return method, path and body of a call of curl."""
    words = shlex.split(command)
    options: dict[str, Any] = {word: words[at + 1] for at, word in enumerate(words[:-1]) if word in ("-X", "-d")}
    (url,) = [word for word in words if word.startswith("localhost:")]
    return options["-X"], httpx.URL(f"http://{url}").path, options.get("-d")


async def test_the_kill_switch(harness: StackHarness) -> None:
    """While the file exists a trouble is explained and nothing is done about it; without it, it is remedied."""
    (command,) = [one for one in list_commands() if one.startswith("touch ")]
    switch = harness.stack.state.path / re.sub(r"^\.mapek/", "", command.split()[1])
    switch.touch()
    try:
        since = await harness.inject_fault("overload", "policy-engine")
        held = await harness.wait_for_cycle(["observed", "blocked"], since, 30.0)
        assert await harness.fetch_ledger(since) == []
    finally:
        switch.unlink()
    assert held.started_at >= since
    assert (await harness.wait_for_remediation(time.time() - 1.0, 60.0)).plan.plan_id
