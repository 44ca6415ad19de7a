"""Bootstrap against a real Temporal server: what it makes, what it leaves alone, and what it says."""

from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from temporalio.client import Client, ScheduleUpdate, ScheduleUpdateInput
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from tests.worker.conftest import RunMapek
from worker.temporal.schedules import CATCH_UP_WINDOW, LoopSchedule

NAMESPACE = "bootstrapped"
NO_CHANGES_TEXT = "everything is as it should be\n"


@pytest_asyncio.fixture(scope="module")
async def client(temporal: WorkflowEnvironment) -> Client:
    """A client of a namespace that does not exist yet."""
    address = temporal.client.service_client.config.target_host
    return await Client.connect(address, namespace=NAMESPACE, data_converter=pydantic_data_converter)


async def test_once_and_again(run_mapek: RunMapek) -> None:
    """The first time all is made, the namespace first, the second time nothing; --dry-run tells both and does neither."""
    for _ in range(2):
        code, said = await run_mapek("bootstrap", "--dry-run")
        assert code == 1
        assert said.splitlines()[0] == f"to do: namespace {NAMESPACE} created, histories are kept 7 days"
    code, told = await run_mapek("bootstrap")
    assert (code, told) == (0, said.replace("to do: ", ""))
    assert "MapekOutcome" in told
    assert "schedule mapek:charter created" in told
    assert "intake mapek-loop:charter started" in told
    assert await run_mapek("bootstrap") == (0, NO_CHANGES_TEXT)
    assert await run_mapek("bootstrap", "--dry-run") == (0, NO_CHANGES_TEXT)


async def test_it_keeps_what_an_operator_did(client: Client, run_mapek: RunMapek) -> None:
    """A schedule that differs is brought back, and an operator's pause and note stay, whether it differs or not."""
    handle = client.get_schedule_handle("mapek:charter")
    await handle.pause(note="the committee is being moved")
    assert await run_mapek("bootstrap") == (0, NO_CHANGES_TEXT)

    def astray(found: ScheduleUpdateInput) -> ScheduleUpdate:
        policy = replace(found.description.schedule.policy, catchup_window=timedelta(days=1))
        return ScheduleUpdate(schedule=replace(found.description.schedule, policy=policy))

    await handle.update(astray)
    assert await run_mapek("bootstrap", "--dry-run") == (1, "to do: schedule mapek:charter updated\n")
    assert await run_mapek("bootstrap") == (0, "schedule mapek:charter updated\n")
    schedule = (await handle.describe()).schedule
    assert schedule.policy.catchup_window == CATCH_UP_WINDOW
    assert (schedule.state.paused, schedule.state.note) == (True, "the committee is being moved")
    await handle.unpause()


async def test_retention(run_mapek: RunMapek, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retention that is asked for is seen to, once; without that the namespace's own is left alone."""
    monkeypatch.setenv("MAPEK__TEMPORAL__RETENTION_DAYS", "30")
    assert await run_mapek("bootstrap") == (0, f"namespace {NAMESPACE}: histories are kept 30 days\n")
    assert await run_mapek("bootstrap") == (0, NO_CHANGES_TEXT)
    monkeypatch.delenv("MAPEK__TEMPORAL__RETENTION_DAYS")
    assert await run_mapek("bootstrap") == (0, NO_CHANGES_TEXT)


async def test_an_offset_of_zero(run_mapek: RunMapek, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop whose ticks fall on the full interval looks unchanged too: the server tells that offset as none."""
    monkeypatch.setenv("MAPEK__ORCHESTRATOR__LOOP_INTERVAL", "2")
    assert LoopSchedule("charter", 2).offset == 0
    assert (await run_mapek("bootstrap"))[0] == 0
    assert await run_mapek("bootstrap", "--dry-run") == (0, NO_CHANGES_TEXT)
