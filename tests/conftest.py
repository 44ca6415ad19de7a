"""The real servers: their binaries, one Temporal server for workflow tests, one whole stack for end-to-end tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from deploy.devstack import binaries
from deploy.devstack.postgres import Postgres, running_postgres
from deploy.devstack.stack import RunningStack, StackOptions, running_stack
from workflows import search_attributes

# A property that holds slowly, on a busy machine, holds.
hypothesis.settings.register_profile("mapek", deadline=None)
hypothesis.settings.load_profile("mapek")


@pytest_asyncio.fixture(scope="session")
async def server_binaries(request: pytest.FixtureRequest) -> dict[str, Path]:
    """All binaries, installed if missing. A server that cannot be had fails a test and never skips it.

    None where a deployed stack is tested: nothing is started then.
    """
    if request.config.getoption("--stack", default=None):
        return {}
    return {name: binary.path for name, binary in (await binaries.ensure_binaries()).items()}


@pytest_asyncio.fixture(scope="session")
async def postgres(server_binaries: dict[str, Path]) -> AsyncIterator[Postgres]:
    """A PostgreSQL server. A test that uses its database `postgres` empties it first."""
    async with running_postgres(server_binaries["postgres"]) as running:
        yield running


@pytest_asyncio.fixture(scope="session")
async def temporal(server_binaries: dict[str, Path]) -> AsyncIterator[WorkflowEnvironment]:
    """A Temporal server in memory, with the search attributes registered and the poll rates of the embedded one."""
    rates = ("transferProcessorMaxPollRPS=2000", "timerProcessorMaxPollRPS=2000", "visibilityProcessorMaxPollRPS=1000")
    async with await WorkflowEnvironment.start_local(
        data_converter=pydantic_data_converter,
        dev_server_existing_path=str(server_binaries["temporal"]),
        dev_server_log_level="error",
        dev_server_extra_args=[arg for rate in rates for arg in ("--dynamic-config-value", f"history.{rate}")],
        search_attributes=search_attributes.SEARCH_ATTRIBUTES,
        ui=False,
    ) as environment:
        yield environment


@pytest_asyncio.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningStack]:
    """The whole embedded stack with the demo's shortened timings, shared by tests that leave it healthy."""
    state = tmp_path_factory.mktemp("stack") / "state"
    async with running_stack(StackOptions(state_dir=state, profile="demo", report=lambda _: None)) as running:
        yield running
