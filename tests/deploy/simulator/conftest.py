from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from deploy.simulator.app import build
from deploy.simulator.simulator import Options
from tests.deploy.simulator.simulator_process import TOKEN, Server, started


@pytest.fixture
async def api() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a fresh simulator in this process, with token and doors."""
    transport = httpx.ASGITransport(build(Options(TOKEN, doors=True, seed=1)))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://charter", headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A simulator in a process of its own, with doors."""
    with started(tmp_path_factory.mktemp("charter"), "--sim-doors") as server:
        yield server
