"""One stack for the tests of the way in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.alert_stack import Rig, running_rig


@pytest_asyncio.fixture(scope="session")
async def shared_rig(servers: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """The embedded stack; its own schedule hardly ever ticks, so a cycle means that an alert started it."""
    del servers
    state = tmp_path_factory.mktemp("alerts") / "state"
    async with running_rig(state, orchestrator={"loop_interval": 600}) as rig:
        await rig.look("healthy")
        yield rig


@pytest_asyncio.fixture
async def rig(shared_rig: Rig) -> AsyncIterator[Rig]:
    """The stack, healthy and with nothing running, and left so."""
    yield shared_rig
    await shared_rig.rest()
