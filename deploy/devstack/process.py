"""Child processes that cannot outlive us: own session, output in a log file, ended politely and then surely.

They end with the *thread* that started them (that is how PR_SET_PDEATHSIG works), so start them from a thread that
lives as long as the stack: the one of the event loop.
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
_KILL_TIMEOUT_SECONDS = 5.0  # seconds; a process does not survive SIGKILL, it may only be slow to be reaped


@dataclass(frozen=True)
class ChildProcess:
    """A started process."""

    name: str
    log_path: Path
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """Its process id, also the id of its process group."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    async def wait(self) -> int:
        """Its exit code, once it ended; negative for a signal."""
        return await self.process.wait()

    async def stop(self, timeout_seconds: float) -> None:
        """SIGTERM, and SIGKILL for whatever of its group is left after `grace` seconds."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), timeout_seconds)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL to its whole group; returns when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _KILL_TIMEOUT_SECONDS)


async def start(
    name: str, argv: Sequence[str], log_path: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> ChildProcess:
    """Start a command (by absolute path, `as_user` before it if need be), appending its output to the log."""
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
    """The command, to be run as another user and group of this number. Only root can."""
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
        TimeoutError: it took longer than `bound` seconds and was ended.
    """
    child = await start(Path(argv[0]).name, argv, log_path, env, cwd)
    try:
        return await asyncio.wait_for(child.wait(), timeout_seconds)
    finally:
        await child.kill()


def last_lines(log_path: Path, max_lines: int = 15) -> list[str]:
    """The last lines of a log, without what could steer a terminal."""
    try:
        with log_path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return []
    return [_CONTROL_CHARACTERS.sub("", line) for line in text.splitlines() if line.strip()][-max_lines:]


def append_log_tail(message: str, child: ChildProcess) -> str:
    """The text, followed by the last lines of the child's log."""
    lines = [f"  {line}" for line in last_lines(child.log_path)] or ["  (nothing)"]
    return "\n".join([message, f"last lines of {child.log_path}:", *lines])


def describe_exit(exit_code: int) -> str:
    """An exit code in words."""
    return f"exit code {exit_code}" if exit_code >= 0 else f"killed by {signal.Signals(-exit_code).name}"
