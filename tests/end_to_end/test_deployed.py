"""Tests without faults for any stack: the embedded one, or a deployed one with `--stack URL`."""

import json
import os
from dataclasses import dataclass

import httpx
import pytest

from tests.end_to_end.mapek_command import mapek_environment, run_mapek_in
from tests.support.stack import StackHarness
from tests.support.waiting import wait_until

pytestmark = pytest.mark.stack

CYCLE_TIMEOUT_SECONDS = 90.0
"""Maximum until the schedule's next cycle has ended at a period of 30 s."""


@dataclass(frozen=True)
class Deployment:
    """The URL of MAPE-K, the headers of role view, and the environment of `mapek`."""

    url: str
    headers: dict[str, str]
    environment: dict[str, str]

    def make_client(self) -> httpx.AsyncClient:
        """Return a client of the service."""
        return httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=10.0, trust_env=False)

    async def fetch_cycle_ids(self) -> list[str]:
        """Return the ids of the newest cycles."""
        result = await run_mapek_in(self.environment, "cycles", "--json")
        assert result.exit_code == 0, result.stderr
        return [cycle["id"] for cycle in json.loads(result.stdout)]


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """Return the deployed stack, or the embedded one."""
    url = request.config.getoption("--stack")
    if url:
        token = os.environ.get("MAPEK_VIEW_TOKEN", "")
        return Deployment(url, {"authorization": f"Bearer {token}"} if token else {}, dict(os.environ))
    harness: StackHarness = request.getfixturevalue("shared_harness")
    return Deployment(harness.stack.addresses.mapek, {}, mapek_environment(harness))


async def test_service_is_ready_and_healthy(deployment: Deployment) -> None:
    """The service is ready and healthy, and role view gets the details."""
    async with deployment.make_client() as mapek:
        ready, health = await mapek.get("/ready"), await mapek.get("/health")
        assert (ready.status_code, ready.json()["ready"]) == (200, True)
        assert health.status_code == 200
        assert "components" in health.json()
        assert "mapek_cycles_total" in (await mapek.get("/metrics")).text


async def test_alerts_need_a_token(deployment: Deployment) -> None:
    """Without the token of role operate no alert is accepted."""
    async with deployment.make_client() as mapek:
        assert (await mapek.post("/webhooks/alerts", content=b"{}")).status_code in (401, 404)


async def test_doctor_finds_no_problem(deployment: Deployment) -> None:
    """`mapek doctor` reaches every server and finds no problem."""
    result = await run_mapek_in(deployment.environment, "doctor")
    assert result.exit_code == 0, result.stdout


async def test_schedule_starts_cycles(deployment: Deployment) -> None:
    """The schedule starts a new cycle."""
    before = set(await deployment.fetch_cycle_ids())

    async def has_new_cycle() -> bool:
        return bool(set(await deployment.fetch_cycle_ids()) - before)

    await wait_until("a new cycle", has_new_cycle, CYCLE_TIMEOUT_SECONDS, interval=1.0)


async def test_manual_cycle_has_a_result(deployment: Deployment) -> None:
    """A manual cycle runs through the intake and returns its result."""
    status = await run_mapek_in(deployment.environment, "status", "--json")
    assert status.exit_code == 0, status.stderr
    (loop, *_) = [row["loop"] for row in json.loads(status.stdout)]
    result = await run_mapek_in(deployment.environment, "run", loop, "--wait", "--reason", "a check of the deployment")
    assert result.exit_code == 0, result.stderr
