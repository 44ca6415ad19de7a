"""One cluster for all tests here."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.devstack import binaries
from tests.cluster.harness import Clustered, clustered


@pytest_asyncio.fixture(scope="session")
async def run(servers: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clustered]:
    """Temporal on PostgreSQL with several shards, the store on it too, and two workers."""
    built = await binaries.ensure(binaries.CLUSTER)
    async with clustered({**servers, **built}, tmp_path_factory.mktemp("cluster")) as running:
        yield running
