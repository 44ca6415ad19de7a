"""One stack for all end-to-end tests; each test starts and ends with a healthy stack."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from deploy.devstack.stack import StackOptions, running_stack
from tests.end_to_end.background_scenarios import BackgroundScenarios, running_scenarios
from tests.support.stack import StackHarness, connect_harness

SHORT_SETTINGS: dict[str, Any] = {
    "orchestrator": {"loop_interval": 2},
    "plan": {
        "cool_down": {"after_success": 5, "no_effect": 3, "rolled_back": 5},
        # The tests inject the same faults repeatedly, so budgets and oscillation limits must not block them.
        "rates": {"max_concurrent_fraction": 1.0},
        "oscillation": {"reversals": 99, "failures": 99, "relapses": 99, "external_change_hold": 0},
        "storm": {"unexplained_fraction": 1.0, "affected_fraction": 1.0},
    },
    "knowledge": {"autonomy": {"overrides": [{"level": "auto"}]}},
    "execute": {"timeout_seconds": 3, "verify": {"delay": 8, "samples": 3, "passes": 3}},
}
"""Shorter waits than in the demo's timings.

A verification starts when a new member has joined (3 s) and a full rate window (5 s) has passed. Earlier samples still
have the symptoms, and a growing problem would get the verdict `worse`. The autonomy level is fixed: otherwise harm in
one test would make the next one wait for approval.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stack", metavar="URL", help="run only the tests that break nothing, against the MAPE-K at URL")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --stack deselect every test that injects faults or needs its own stack."""
    if config.getoption("--stack"):
        deselected = [item for item in items if item.path.name != "test_deployed.py"]
        items[:] = [item for item in items if item not in deselected]
        config.hook.pytest_deselected(items=deselected)


@pytest_asyncio.fixture(scope="session", autouse=True)
async def background_scenarios(
    server_binaries: dict[str, Path], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BackgroundScenarios]:
    """Start the long scenarios before the first test; they run concurrently with all tests."""
    files = frozenset(item.path.stem for item in request.session.items)
    async with running_scenarios(files, tmp_path_factory.mktemp("background"), SHORT_SETTINGS) as scenarios:
        yield scenarios


@pytest_asyncio.fixture(scope="session")
async def shared_harness(
    server_binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StackHarness]:
    """Yield the complete embedded stack with short timings."""
    del server_binaries
    state = tmp_path_factory.mktemp("end_to_end") / "state"
    options = StackOptions(state_dir=state, profile="demo", settings=SHORT_SETTINGS, report=lambda _: None)
    async with running_stack(options) as stack, connect_harness(stack) as harness:
        await harness.restore_healthy()
        yield harness


@pytest_asyncio.fixture
async def harness(shared_harness: StackHarness) -> AsyncIterator[StackHarness]:
    """Yield the healthy idle stack and restore that state after the test."""
    yield shared_harness
    await shared_harness.restore_healthy()
