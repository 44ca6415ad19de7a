"""One stack for the webhook tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.alert_stack import AlertStack, running_alert_stack


@pytest_asyncio.fixture(scope="session")
async def shared_alert_stack(
    server_binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[AlertStack]:
    """The embedded stack. Its schedule hardly ever ticks, so a cycle means that an alert started it."""
    del server_binaries
    state = tmp_path_factory.mktemp("alerts") / "state"
    async with running_alert_stack(state, orchestrator={"loop_interval": 600}) as stack:
        await stack.run_cycle_until("healthy")
        yield stack


@pytest_asyncio.fixture
async def alert_stack(shared_alert_stack: AlertStack) -> AsyncIterator[AlertStack]:
    """The stack, healthy and without running remediations before and after the test."""
    yield shared_alert_stack
    await shared_alert_stack.restore_healthy()
