import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from deploy.devstack import process

WaitUntilGone = Callable[..., Awaitable[set[int]]]
WaitUntil = Callable[[Callable[[], object]], Awaitable[None]]

ROOT = Path(__file__).parents[3]
PYTHON = sys.executable
# Ignores SIGTERM, starts a child, prints its pid and waits.
STUBBORN_PROGRAM = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(grandchild.pid, flush=True)
time.sleep(60)
"""
PARENT_PROGRAM = """
import asyncio, sys
from pathlib import Path
from deploy.devstack import process
async def main():
    child = await process.start("sleeper", ["/bin/sleep", "60"], Path(sys.argv[1]))
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_killed_parent_leaves_no_child(tmp_path: Path, wait_until_gone: WaitUntilGone) -> None:
    """A child ends after SIGKILL to its parent."""
    parent = await asyncio.create_subprocess_exec(
        *(PYTHON, "-c", PARENT_PROGRAM, str(tmp_path / "log")), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    os.kill(child, 0)
    parent.kill()
    await parent.communicate()
    assert await wait_until_gone(child) == set()


async def test_child_of_a_dead_parent_does_not_start(tmp_path: Path) -> None:
    """A child whose parent died before the request to the kernel does not start its command."""
    argv = [PYTHON, "-I", str(Path(process.__file__).with_name("launch.py")), "999999999", "/bin/touch"]
    child = await asyncio.create_subprocess_exec(*argv, str(tmp_path / "started"))
    assert await child.wait() == 128 + signal.SIGKILL
    assert not (tmp_path / "started").exists()


async def test_stubborn_child_is_killed_with_its_children(
    tmp_path: Path, wait_until_gone: WaitUntilGone, wait_until: WaitUntil
) -> None:
    """A child that ignores SIGTERM is killed after the timeout, with its own children."""
    child = await process.start("stubborn", [PYTHON, "-c", STUBBORN_PROGRAM], tmp_path / "log")
    await wait_until(lambda: process.last_lines(child.log_path))
    grandchild = int(process.last_lines(child.log_path)[0])
    await child.stop(timeout_seconds=0.2)
    assert await child.wait() == -signal.SIGKILL
    assert await wait_until_gone(child.pid, grandchild) == set()


async def test_child_that_ends_on_sigterm_is_not_killed(tmp_path: Path) -> None:
    """A child gets time to end after SIGTERM."""
    child = await process.start("polite", ["/bin/sleep", "60"], tmp_path / "log")
    await child.stop(timeout_seconds=10)
    assert await child.wait() == -signal.SIGTERM


async def test_run_has_a_timeout(tmp_path: Path) -> None:
    """A command that exceeds its timeout is killed."""
    assert await process.run(["/bin/sh", "-c", "exit 3"], tmp_path / "log", timeout_seconds=10) == 3
    with pytest.raises(TimeoutError):
        await process.run(["/bin/sleep", "60"], tmp_path / "log", timeout_seconds=0.2)


def test_log_tail_has_no_control_characters(tmp_path: Path) -> None:
    """The last lines have no colours and control characters; a missing log has no lines."""
    log = tmp_path / "log"
    log.write_bytes(b"old\n\x1b[31mred\x1b[0m\nbell\x07 \xff\n\n")
    assert process.last_lines(log, 2) == ["red", "bell \ufffd"]
    assert process.last_lines(tmp_path / "none") == []


@pytest.mark.parametrize(("code", "words"), [(1, "exit code 1"), (-9, "killed by SIGKILL")])
def test_exit_code_is_described_in_words(code: int, words: str) -> None:
    """A negative exit code is the number of a signal."""
    assert process.describe_exit(code) == words
