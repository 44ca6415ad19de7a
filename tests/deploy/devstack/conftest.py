"""Fixtures: the servers' binaries, and waiting for conditions and for the end of processes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.devstack import binaries


@pytest_asyncio.fixture(scope="session")
async def server_binaries() -> dict[str, Path]:
    """Return all binaries; install missing ones as `make setup` does."""
    return {name: binary.path for name, binary in (await binaries.ensure_binaries()).items()}


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Return a function that waits for a condition; TimeoutError after 10 seconds."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - processes and files send no event
                await asyncio.sleep(0.05)

    return wait


@pytest.fixture(scope="session")
def wait_until_gone(
    wait_until: Callable[[Callable[[], object]], Awaitable[None]],
) -> Callable[..., Awaitable[set[int]]]:
    """Return a function that waits for the end of processes and returns those that remain after 10 seconds."""

    async def remaining_processes(*pids: int) -> set[int]:
        with contextlib.suppress(TimeoutError):
            await wait_until(lambda: not any(map(_is_alive, pids)))
        return {pid for pid in pids if _is_alive(pid)}

    return remaining_processes


def _is_alive(pid: int) -> bool:
    """Return whether the process runs; a zombie does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
