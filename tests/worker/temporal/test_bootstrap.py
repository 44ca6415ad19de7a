"""Bootstrap against a real Temporal server: what it creates, keeps and reports."""

from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, ScheduleUpdate, ScheduleUpdateInput
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.model.errors import ConfigurationError
from tests.support.waiting import wait_until
from tests.worker.conftest import RunMapek
from worker.temporal.bootstrap import bootstrap, find_changes
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


async def test_an_attribute_of_another_type_is_named_with_the_fix(run_mapek: RunMapek, client: Client) -> None:
    """Temporal would refuse every cycle: bootstrap and doctor say which type is needed."""
    other = await register_namespace(client, "mistyped")
    await add_attributes(other, {"MapekOutcome": IndexedValueType.INDEXED_VALUE_TYPE_TEXT})
    message = "MapekOutcome has type Text, not Keyword; run `temporal operator search-attribute remove"
    with pytest.raises(ConfigurationError, match=message):
        await find_changes(other, [])
    _, output = await run_mapek("doctor", "--temporal-namespace", other.namespace)
    assert message in output


async def test_a_full_namespace_is_reported_with_needed_and_free_attributes(client: Client) -> None:
    """SQL databases have 10 attributes of type Keyword in a namespace; the loop needs 8."""
    other = await register_namespace(client, "full")
    await add_attributes(other, {f"Other{n}": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for n in range(6)})
    with pytest.raises(ConfigurationError, match=r"needs 8 more .* of type Keyword, 4 of 10 are free") as error:
        await bootstrap(other, [])
    assert "run `mapek bootstrap`" not in str(error.value)


async def register_namespace(client: Client, name: str) -> Client:
    """Create a namespace, wait until every service of the server knows it, and return a client of it."""
    retention = Duration(seconds=86_400)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
    )

    async def knows_namespace() -> bool:
        try:
            await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=name))
        except RPCError:
            return False
        return True

    await wait_until(f"namespace {name}", knows_namespace, 30.0)
    address = client.service_client.config.target_host
    return await Client.connect(address, namespace=name, data_converter=pydantic_data_converter)


async def add_attributes(client: Client, types: dict[str, IndexedValueType.ValueType]) -> None:
    """Register search attributes in the client's namespace."""
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=types)
    await client.operator_service.add_search_attributes(request)
