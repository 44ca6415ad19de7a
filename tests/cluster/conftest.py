"""One cluster for all cluster tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.devstack import binaries
from tests.cluster.harness import ClusterHarness, running_cluster_harness


@pytest_asyncio.fixture(scope="session")
async def cluster_harness(
    server_binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ClusterHarness]:
    """Yield Temporal and the store on PostgreSQL with several shards, and two workers."""
    found = await binaries.ensure_binaries(binaries.CLUSTER_BINARIES)
    cluster_binaries = {name: binary.path for name, binary in found.items()}
    async with running_cluster_harness(
        {**server_binaries, **cluster_binaries}, tmp_path_factory.mktemp("cluster")
    ) as harness:
        yield harness
