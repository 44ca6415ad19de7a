"""What holds on any stack and breaks nothing: the embedded one here, a deployed one with `--stack URL`."""

import json
import os
from dataclasses import dataclass

import httpx
import pytest

from tests.end_to_end.mapek_command import environment_of, mapek_of
from tests.support.waiting import wait_until

pytestmark = pytest.mark.stack

TICKED = 90.0
"""Seconds in which the schedule has started a cycle and it has ended, also at a period of half a minute."""


@dataclass(frozen=True)
class Site:
    """Where MAPE-K answers, how to show role view, and the environment in which `mapek` works on it."""

    url: str
    headers: dict[str, str]
    environment: dict[str, str]

    def http(self) -> httpx.AsyncClient:
        """Return a client of the service."""
        return httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=10.0, trust_env=False)

    async def cycles(self) -> list[str]:
        """Return the ids of the newest cycles."""
        said = await mapek_of(self.environment, "cycles", "--json")
        assert said.code == 0, said.err
        return [cycle["id"] for cycle in json.loads(said.out)]


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Site:
    """The deployed stack, or the embedded one."""
    url = request.config.getoption("--stack")
    if url:
        token = os.environ.get("MAPEK_VIEW_TOKEN", "")
        return Site(url, {"authorization": f"Bearer {token}"} if token else {}, dict(os.environ))
    world = request.getfixturevalue("shared_world")
    return Site(world.stack.addresses.mapek, {}, environment_of(world))


async def test_well(site: Site) -> None:
    """It is ready, no part of it wants a restart, and role view sees the details."""
    async with site.http() as mapek:
        ready, health = await mapek.get("/ready"), await mapek.get("/health")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        assert health.status_code == 200
        assert "components" in health.json()
        assert "mapek_cycles_total" in (await mapek.get("/metrics")).text


async def test_strangers_cannot_post(site: Site) -> None:
    """Without the token of role operate no alert is taken, whatever else is shown."""
    async with site.http() as mapek:
        assert (await mapek.post("/webhooks/alerts", content=b"{}")).status_code in (401, 404)


async def test_doctor(site: Site) -> None:
    """`mapek doctor` reaches every server and misses nothing."""
    said = await mapek_of(site.environment, "doctor")
    assert said.code == 0, said.out


async def test_it_ticks(site: Site) -> None:
    """The schedule starts cycles by itself."""
    before = set(await site.cycles())

    async def news() -> bool:
        return bool(set(await site.cycles()) - before)

    await wait_until("a new cycle", news, TICKED, every=1.0)


async def test_a_cycle_on_demand(site: Site) -> None:
    """A person's cycle runs to its result through the intake."""
    status = await mapek_of(site.environment, "status", "--json")
    assert status.code == 0, status.err
    (loop, *_) = [one["loop"] for one in json.loads(status.out)]
    said = await mapek_of(site.environment, "run", loop, "--wait", "--reason", "a check of the deployment")
    assert said.code == 0, said.err
