from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from deploy.simulator.app import build_app
from deploy.simulator.simulator import SimulatorOptions
from tests.deploy.simulator.simulator_process import TOKEN, SimulatorProcess, running_simulator


@pytest.fixture
async def api_client() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of a new simulator in this process, with token and control API."""
    transport = httpx.ASGITransport(build_app(SimulatorOptions(TOKEN, control_api=True, seed=1)))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://charter", headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """Yield a simulator process with control API."""
    with running_simulator(tmp_path_factory.mktemp("charter"), "--control-api") as server:
        yield server
