"""Child processes that die with this process, each with its own session and a log file.

PR_SET_PDEATHSIG binds a child to the *thread* that started it. So start children from a thread that lives as long as
the stack: the event loop's thread.
"""

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCH_SCRIPT = Path(__file__).with_name("launch.py")
_CONTROL_CHARACTERS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[^\x20-\x7e\t\u00a0-\uffff]")
_TAIL_BYTES = 16_384
_KILL_TIMEOUT_SECONDS = 5.0  # a process always ends after SIGKILL, but reaping it can be slow


@dataclass(frozen=True)
class ChildProcess:
    """A started process."""

    name: str
    log_path: Path
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """The process id, also the id of the process group."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self.process.returncode is None

    async def wait(self) -> int:
        """Wait for the end and return the exit code; negative for a signal."""
        return await self.process.wait()

    async def stop(self, timeout_seconds: float) -> None:
        """Send SIGTERM; send SIGKILL to the rest of the process group after the timeout."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), timeout_seconds)
        await self.kill()

    async def kill(self) -> None:
        """Send SIGKILL to the process group and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _KILL_TIMEOUT_SECONDS)


async def start(
    name: str, argv: Sequence[str], log_path: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> ChildProcess:
    """Start a command by absolute path and append its output to the log; see `wrap_as_user` for another user."""
    output = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", str(_LAUNCH_SCRIPT), str(os.getpid()), *argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
        )
    finally:
        os.close(output)
    return ChildProcess(name, log_path, process)


def wrap_as_user(argv: Sequence[str], uid: int) -> list[str]:
    """Return the command that runs as another user and group with this id; requires root."""
    return ["--as", str(uid), *argv]


async def run(
    argv: Sequence[str],
    log_path: Path,
    timeout_seconds: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> int:
    """Run a command to its end and return its exit code.

    Raises:
        TimeoutError: the command took longer than the timeout and was killed.
    """
    child = await start(Path(argv[0]).name, argv, log_path, env, cwd)
    try:
        return await asyncio.wait_for(child.wait(), timeout_seconds)
    finally:
        await child.kill()


def last_lines(log_path: Path, max_lines: int = 15) -> list[str]:
    """Return the last lines of a log without terminal control characters."""
    try:
        with log_path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [_CONTROL_CHARACTERS.sub("", line) for line in text.splitlines() if line.strip()][-max_lines:]


def append_log_tail(message: str, child: ChildProcess) -> str:
    """Return the message, followed by the last lines of the child's log."""
    lines = [f"  {line}" for line in last_lines(child.log_path)] or ["  (empty)"]
    return "\n".join([message, f"last lines of {child.log_path}:", *lines])


def describe_exit(exit_code: int) -> str:
    """Return an exit code in words."""
    return f"exit code {exit_code}" if exit_code >= 0 else f"killed by {signal.Signals(-exit_code).name}"
