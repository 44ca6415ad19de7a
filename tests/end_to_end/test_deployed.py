"""What holds on any stack and breaks nothing: the embedded one here, a deployed one with `--stack URL`."""

import json
import os
from dataclasses import dataclass

import httpx
import pytest

from tests.end_to_end.mapek_command import mapek_environment, run_mapek_in
from tests.support.waiting import wait_until

pytestmark = pytest.mark.stack

CYCLE_TIMEOUT_SECONDS = 90.0
"""Seconds in which the schedule has started a cycle and it has ended, also at a period of half a minute."""


@dataclass(frozen=True)
class Deployment:
    """Where MAPE-K answers, how to show role view, and the environment in which `mapek` works on it."""

    url: str
    headers: dict[str, str]
    environment: dict[str, str]

    def make_client(self) -> httpx.AsyncClient:
        """Return a client of the service."""
        return httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=10.0, trust_env=False)

    async def fetch_cycle_ids(self) -> list[str]:
        """Return the ids of the newest cycles."""
        said = await run_mapek_in(self.environment, "cycles", "--json")
        assert said.exit_code == 0, said.stderr
        return [cycle["id"] for cycle in json.loads(said.stdout)]


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """The deployed stack, or the embedded one."""
    url = request.config.getoption("--stack")
    if url:
        token = os.environ.get("MAPEK_VIEW_TOKEN", "")
        return Deployment(url, {"authorization": f"Bearer {token}"} if token else {}, dict(os.environ))
    world = request.getfixturevalue("shared_world")
    return Deployment(world.stack.addresses.mapek, {}, mapek_environment(world))


async def test_well(deployment: Deployment) -> None:
    """It is ready, no part of it wants a restart, and role view sees the details."""
    async with deployment.make_client() as mapek:
        ready, health = await mapek.get("/ready"), await mapek.get("/health")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        assert health.status_code == 200
        assert "components" in health.json()
        assert "mapek_cycles_total" in (await mapek.get("/metrics")).text


async def test_strangers_cannot_post(deployment: Deployment) -> None:
    """Without the token of role operate no alert is taken, whatever else is shown."""
    async with deployment.make_client() as mapek:
        assert (await mapek.post("/webhooks/alerts", content=b"{}")).status_code in (401, 404)


async def test_doctor(deployment: Deployment) -> None:
    """`mapek doctor` reaches every server and misses nothing."""
    said = await run_mapek_in(deployment.environment, "doctor")
    assert said.exit_code == 0, said.stdout


async def test_it_ticks(deployment: Deployment) -> None:
    """The schedule starts cycles by itself."""
    before = set(await deployment.fetch_cycle_ids())

    async def news() -> bool:
        return bool(set(await deployment.fetch_cycle_ids()) - before)

    await wait_until("a new cycle", news, CYCLE_TIMEOUT_SECONDS, interval=1.0)


async def test_a_cycle_on_demand(deployment: Deployment) -> None:
    """A person's cycle runs to its result through the intake."""
    status = await run_mapek_in(deployment.environment, "status", "--json")
    assert status.exit_code == 0, status.stderr
    (loop, *_) = [one["loop"] for one in json.loads(status.stdout)]
    said = await run_mapek_in(deployment.environment, "run", loop, "--wait", "--reason", "a check of the deployment")
    assert said.exit_code == 0, said.stderr
