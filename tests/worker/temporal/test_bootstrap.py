"""Bootstrap against a real Temporal server: what it creates, keeps and reports."""

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
NO_CHANGES_TEXT = "no changes needed\n"


@pytest_asyncio.fixture(scope="module")
async def client(temporal: WorkflowEnvironment) -> Client:
    """A client of a namespace that does not exist."""
    address = temporal.client.service_client.config.target_host
    return await Client.connect(address, namespace=NAMESPACE, data_converter=pydantic_data_converter)


async def test_a_second_bootstrap_changes_nothing(run_mapek: RunMapek) -> None:
    """The first run creates everything, the namespace first, and the second nothing; --dry-run changes nothing."""
    for _ in range(2):
        code, output = await run_mapek("bootstrap", "--dry-run")
        assert code == 1
        assert output.splitlines()[0] == f"to do: namespace {NAMESPACE} created, histories are kept 7 days"
    code, applied = await run_mapek("bootstrap")
    assert (code, applied) == (0, output.replace("to do: ", ""))
    assert "MapekOutcome" in applied
    assert "schedule mapek:charter created" in applied
    assert "intake mapek-loop:charter started" in applied
    assert await run_mapek("bootstrap") == (0, NO_CHANGES_TEXT)
    assert await run_mapek("bootstrap", "--dry-run") == (0, NO_CHANGES_TEXT)


async def test_pause_and_note_of_a_schedule_are_kept(client: Client, run_mapek: RunMapek) -> None:
    """A changed schedule is updated, and keeps the pause and note of an operator."""
    handle = client.get_schedule_handle("mapek:charter")
    await handle.pause(note="the committee is being moved")
    assert await run_mapek("bootstrap") == (0, NO_CHANGES_TEXT)

    def change_policy(current: ScheduleUpdateInput) -> ScheduleUpdate:
        policy = replace(current.description.schedule.policy, catchup_window=timedelta(days=1))
        return ScheduleUpdate(schedule=replace(current.description.schedule, policy=policy))

    await handle.update(change_policy)
    assert await run_mapek("bootstrap", "--dry-run") == (1, "to do: schedule mapek:charter updated\n")
    assert await run_mapek("bootstrap") == (0, "schedule mapek:charter updated\n")
    schedule = (await handle.describe()).schedule
    assert schedule.policy.catchup_window == CATCH_UP_WINDOW
    assert (schedule.state.paused, schedule.state.note) == (True, "the committee is being moved")
    await handle.unpause()


async def test_the_retention_is_set_once(run_mapek: RunMapek, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured retention is set once; without one the namespace keeps its own."""
    monkeypatch.setenv("MAPEK__TEMPORAL__RETENTION_DAYS", "30")
    assert await run_mapek("bootstrap") == (0, f"namespace {NAMESPACE}: histories are kept 30 days\n")
    assert await run_mapek("bootstrap") == (0, NO_CHANGES_TEXT)
    monkeypatch.delenv("MAPEK__TEMPORAL__RETENTION_DAYS")
    assert await run_mapek("bootstrap") == (0, NO_CHANGES_TEXT)


async def test_an_offset_of_zero_is_no_change(run_mapek: RunMapek, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schedule with offset zero is unchanged at the second bootstrap: the server returns that offset as None."""
    monkeypatch.setenv("MAPEK__ORCHESTRATOR__LOOP_INTERVAL", "2")
    assert LoopSchedule("charter", 2).offset == 0
    assert (await run_mapek("bootstrap"))[0] == 0
    assert await run_mapek("bootstrap", "--dry-run") == (0, NO_CHANGES_TEXT)
