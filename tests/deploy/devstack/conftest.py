"""The servers' binaries, and what tells whether a process is still there."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.devstack import binaries


@pytest_asyncio.fixture(scope="session")
async def server_binaries() -> dict[str, Path]:
    """All binaries; missing ones are installed, as `make setup` would."""
    return await binaries.ensure_binaries()


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Waits until a condition holds; TimeoutError after 10 seconds."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - processes and files announce nothing
                await asyncio.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def wait_until_gone(
    wait_until: Callable[[Callable[[], object]], Awaitable[None]],
) -> Callable[..., Awaitable[set[int]]]:
    """Waits until none of the processes exists any more, and says which ones still do after 10 seconds."""

    async def still_there(*pids: int) -> set[int]:
        with contextlib.suppress(TimeoutError):
            await wait_until(lambda: not any(map(_is_alive, pids)))
        return {pid for pid in pids if _is_alive(pid)}

    return still_there


def _is_alive(pid: int) -> bool:
    """Whether the process exists; a zombie, dead but not yet reaped by a foreign parent, does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
