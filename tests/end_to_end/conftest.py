"""One stack for all end-to-end tests, healthy at the start and at the end of each of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.devstack.stack import StackOptions, running_stack
from tests.end_to_end.background_scenarios import BackgroundScenarios, running_scenarios
from tests.support.stack import StackHarness, connect_harness

SHORT_SETTINGS = {
    "orchestrator": {"loop_interval": 2},
    "plan": {
        "cooldown": {"after_success": 5, "no_effect": 3, "rolled_back": 5},
        # Every test breaks the same few things, and some of them on purpose again and again.
        "rates": {"max_concurrent_fraction": 1.0},
        "oscillation": {"reversals": 99, "failures": 99, "relapses": 99, "external_change_hold": 0},
        "storm": {"unexplained": 1.0, "affected_fraction": 1.0},
    },
    "knowledge": {"autonomy": {"overrides": [{"level": "auto"}]}},
    "execute": {"timeout_seconds": 3, "verify": {"delay": 8, "samples": 3, "passes": 3}},
}
"""On top of the demo's timings: what a test would only wait for is shorter still.

A verification begins when a new member has joined (3 s) and a whole rate window (5 s) shows it. Earlier samples still
show the trouble, and one that is remedied while it grows would be judged worse. Trust stands still: one test's harm
would make the next one wait for a person.
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--stack", metavar="URL", help="only what breaks nothing, against the MAPE-K that answers at URL")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --stack leave out every test that breaks something on purpose, or needs a stack of its own."""
    if config.getoption("--stack"):
        left_out = [item for item in items if item.path.name != "test_deployed.py"]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest_asyncio.fixture(scope="session", autouse=True)
async def background_scenarios(
    server_binaries: dict[str, Path], request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BackgroundScenarios]:
    """The scenarios that take minutes, started before the first test here, so that they run beside all of them."""
    files = frozenset(item.path.stem for item in request.session.items)
    async with running_scenarios(files, tmp_path_factory.mktemp("background"), SHORT_SETTINGS) as scenarios:
        yield scenarios


@pytest_asyncio.fixture(scope="session")
async def shared_harness(
    server_binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StackHarness]:
    """The whole embedded stack with brisk timings."""
    del server_binaries
    state = tmp_path_factory.mktemp("end_to_end") / "state"
    options = StackOptions(state_dir=state, profile="demo", settings=SHORT_SETTINGS, report=lambda _: None)
    async with running_stack(options) as stack, connect_harness(stack) as world:
        await world.restore_healthy()
        yield world


@pytest_asyncio.fixture
async def harness(shared_harness: StackHarness) -> AsyncIterator[StackHarness]:
    """The stack, healthy and with nothing running, and left so."""
    yield shared_harness
    await shared_harness.restore_healthy()
