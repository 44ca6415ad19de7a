"""The `mapek` command, run as a process."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack import StackHarness

MAPEK_EXECUTABLE = Path(sys.executable).with_name("mapek")
COMMAND_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class CommandResult:
    """The result of a command."""

    exit_code: int
    stdout: str
    stderr: str


async def run_mapek(harness: StackHarness, *arguments: str) -> CommandResult:
    """Run `mapek` against the stack and return its result."""
    return await run_mapek_in(mapek_environment(harness), *arguments)


def mapek_environment(harness: StackHarness) -> dict[str, str]:
    """Return the environment of `mapek` for the stack."""
    state = harness.stack.state
    return {**os.environ, "MAPEK_CONFIG": str(state.config_file), "MAPEK_STATE": str(state.path)}


async def run_mapek_in(environment: Mapping[str, str], *arguments: str) -> CommandResult:
    """Run `mapek` in an environment and return its result."""
    process = await asyncio.create_subprocess_exec(
        MAPEK_EXECUTABLE,
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), COMMAND_TIMEOUT_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return CommandResult(process.returncode or 0, out.decode(), err.decode())
