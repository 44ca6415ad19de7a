"""The demo as a separate process."""

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from deploy.devstack.render import REPOSITORY_ROOT
from tests.support.waiting import wait_until

START_TIMEOUT_SECONDS = 60.0
DEMO_TIMEOUT_SECONDS = 240.0
EXIT_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class DemoResult:
    """The result of a demo: exit code, output, its run.json, and remaining files and processes."""

    exit_code: int
    output: str
    run_file: dict[str, object]
    is_run_file_left: bool
    survivors: tuple[str, ...]


async def run_demo(state: Path, seed: int) -> DemoResult:
    """Run the demo with a seed in a state folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.devstack", "demo", "--seed", str(seed), "--state", str(state)),
        cwd=REPOSITORY_ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = asyncio.create_task(process.communicate())
    try:
        run = await wait_until(
            "run.json of the demo", lambda: asyncio.to_thread(read_json, state / "run.json"), START_TIMEOUT_SECONDS
        )
        text, _ = await asyncio.wait_for(asyncio.shield(output), DEMO_TIMEOUT_SECONDS)
        survivors = await list_surviving_processes(state)
        file_left = bool(await asyncio.to_thread(read_json, state / "run.json"))
        return DemoResult(process.returncode or 0, text.decode(), run, file_left, survivors)
    finally:
        if process.returncode is None:
            process.kill()
        await output


def read_json(file: Path) -> dict[str, object]:
    """Return the content of a JSON file; empty if it does not exist."""
    content: dict[str, object] = json.loads(file.read_text()) if file.exists() else {}
    return content


async def list_surviving_processes(state: Path) -> tuple[str, ...]:
    """Return the command lines that contain the folder, after time for their end."""

    async def have_ended() -> bool:
        return not list_processes_naming(state)

    try:
        await wait_until("the end of all processes", have_ended, EXIT_TIMEOUT_SECONDS)
    except AssertionError:
        return list_processes_naming(state)
    return ()


def list_processes_naming(state: Path) -> tuple[str, ...]:
    """Return the command lines of processes whose command line or environment contains the folder."""
    command_lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            text = line + (process / "environ").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(state).encode() in text:
            command_lines.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return tuple(command_lines)
