"""The verbs against a real Temporal server, with fakes of the loop's workflows."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.clients.store.store import open_store
from activities.model import identifiers
from activities.model.audit import AuditEntry
from activities.model.cycle import CycleRequest, CycleResult
from activities.model.remediation import Approval, RemediationRequest, ResumeRequest
from activities.model.storm import Storm
from tests.support.model_builders import quarantine_knob
from tests.worker.cli.test_explain import PLAN
from tests.worker.conftest import RunMapek
from worker.temporal import bootstrap
from worker.temporal.schedules import LoopSchedule
from workflows import search_attributes
from workflows.loop import MapekLoop
from workflows.search_attributes import build_search_attribute_updates, build_search_attributes

NAMESPACE = "cli"


@activity.defn
async def fake_monitor() -> str:
    return "healthy"


@workflow.defn(name="MapekCycle")
class FakeCycle:
    @workflow.run
    async def run(self, request: CycleRequest) -> CycleResult:
        limit = timedelta(seconds=5)
        await workflow.execute_activity(fake_monitor, start_to_close_timeout=limit, summary="p99 812 ms > 500 ms")
        workflow.upsert_search_attributes(build_search_attribute_updates({search_attributes.OUTCOME: "healthy"}))
        return CycleResult(headline=f"all well, {request.reason}", outcome="healthy")


@workflow.defn(name="MapekRemediation")
class FakeRemediation:
    @workflow.init
    def __init__(self, request: RemediationRequest) -> None:
        self.request = request
        self.outcome = ""

    @workflow.run
    async def run(self, request: RemediationRequest) -> str:
        await workflow.wait_condition(lambda: bool(self.outcome))
        return self.outcome or request.plan_id

    @workflow.update
    async def decide(self, approval: Approval) -> str:
        self.outcome = f"{approval.approve} by {approval.actor}: {approval.reason}"
        return self.outcome

    @workflow.signal
    async def resume(self, by: ResumeRequest) -> None:
        self.outcome = f"released by {by.actor}"


@pytest_asyncio.fixture(scope="module")
async def client(temporal: WorkflowEnvironment) -> AsyncIterator[Client]:
    """A client of a separate namespace, prepared by `mapek bootstrap` and served by the fakes."""
    address = temporal.client.service_client.config.target_host
    connected = await Client.connect(address, namespace=NAMESPACE, data_converter=pydantic_data_converter)
    await bootstrap.bootstrap(connected, [LoopSchedule("charter", 30)])
    async with Worker(
        connected,
        task_queue=identifiers.TASK_QUEUE,
        workflows=[FakeCycle, FakeRemediation, MapekLoop],
        activities=[fake_monitor],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield connected


async def start_remediation(client: Client, phase: str) -> None:
    await client.start_workflow(
        "MapekRemediation",
        RemediationRequest(loop="charter", plan_id=PLAN.plan_id),
        id=identifiers.remediation_id("charter", "committee"),
        task_queue=identifiers.TASK_QUEUE,
        search_attributes=build_search_attributes(
            {
                search_attributes.LOOP: "charter",
                search_attributes.PLAN: PLAN.plan_id,
                search_attributes.PHASE: phase,
                search_attributes.KNOB: "committee",
            }
        ),
    )


async def wait_until_visible(client: Client, query: str) -> None:
    async with asyncio.timeout(15):
        while True:
            if (await client.count_workflows(query)).count:
                return
            await asyncio.sleep(0.05)


async def fill_store(folder: Path, *, is_quarantined: bool = False) -> None:
    store = await open_store(folder / "knowledge.db")
    await store.plans.put(PLAN, 100.0)
    if is_quarantined:
        await quarantine_knob(store, "committee", "rollback failed", 100.0)
    await store.close()


async def test_run_waits_and_follows(client: Client, run_mapek: RunMapek) -> None:
    """`run` prints the cycle's id, --wait its result, --json both; the same key runs one cycle."""
    cycle = "mapek-cycle:charter:manual-k1"
    assert await run_mapek("run", "charter", "--key", "k1") == (0, f"{cycle}\n")
    code, printed = await run_mapek("run", "charter", "--key", "k1", "--wait", "--reason", "test")
    assert (code, printed.splitlines()[0]) == (0, cycle)
    code, printed = await run_mapek("run", "charter", "--key", "k2", "--follow", "--json", "--reason", "test")
    body = json.loads(printed)
    assert (code, body["result"]["headline"]) == (0, "all well, test")
    assert body["link"].endswith("/namespaces/cli/workflows/mapek-cycle%3Acharter%3Amanual-k2")


async def test_detach_only_queues_the_request(client: Client, run_mapek: RunMapek) -> None:
    """--detach prints no id, and the cycle runs."""
    assert await run_mapek("run", "charter", "--detach", "--key", "k3") == (0, "")
    async with asyncio.timeout(15):
        while True:
            try:
                await client.get_workflow_handle("mapek-cycle:charter:manual-k3").result()
                break
            except RPCError:
                await asyncio.sleep(0.05)


async def test_cycles_and_explain_of_a_healthy_cycle(client: Client, run_mapek: RunMapek) -> None:
    """Cycles are listed by outcome; a healthy one has no stored records and is explained from its result."""
    cycle = "mapek-cycle:charter:manual-k4"
    await run_mapek("run", "charter", "--key", "k4", "--wait")
    await wait_until_visible(client, f'WorkflowId="{cycle}" AND MapekOutcome="healthy"')
    code, printed = await run_mapek("cycles", "--outcome", "healthy", "--json")
    assert code == 0
    assert cycle in [row["id"] for row in json.loads(printed)]
    assert (await run_mapek("cycles", "--outcome", "planned"))[1].splitlines()[1:] == []
    code, printed = await run_mapek("explain", cycle)
    assert (code, "healthy: all well" in printed) == (0, True)
    assert (await run_mapek("explain", "mapek-cycle:charter:manual-never"))[0] == 1


@pytest.mark.parametrize("in_store", [True, False])
@pytest.mark.parametrize(("verb", "approved"), [("approve", "True"), ("reject", "False")])
async def test_a_decision_reaches_the_waiting_plan(
    client: Client, run_mapek: RunMapek, tmp_path: Path, verb: str, approved: str, in_store: bool
) -> None:
    """The remediation is found through the store, or without a store by its search attribute."""
    if in_store:
        await fill_store(tmp_path)
    await start_remediation(client, "awaiting-approval")
    await wait_until_visible(client, f'MapekPlan="{PLAN.plan_id}" AND ExecutionStatus="Running"')
    code, printed = await run_mapek(verb, PLAN.plan_id, "--actor", "ann", "--reason", "because")
    assert (code, printed) == (0, f"{approved} by ann: because\n")
    await client.get_workflow_handle(identifiers.remediation_id("charter", "committee")).result()
    assert (await run_mapek(verb, PLAN.plan_id, "--actor", "ann"))[0] == 1


async def test_status_shows_storm_and_holds(client: Client, run_mapek: RunMapek, tmp_path: Path) -> None:
    """It shows a storm, frozen knobs and knobs of another writer, but no expired or released hold."""
    store, now = await open_store(tmp_path / "knowledge.db"), time.time()
    await store.guards.set_storm(
        "charter", "charter", Storm(loop="charter", since=now, reason="5 of 8 in trouble"), now
    )
    for knob, kind, ago in (("committee", "frozen", 60), ("admission", "foreign-writer", 60), ("old", "frozen", 4000)):
        row = AuditEntry(at=now - ago, kind=kind, loop="charter", knob=knob, summary="for some time")
        await store.audit.append(row)
    printed = (await run_mapek("status"))[1]
    assert "storm      since " in printed
    assert "5 of 8 in trouble" in printed
    assert "frozen     committee at " in printed
    assert "mapek resume charter --knob committee" in printed
    assert "foreign-writer admission at " in printed
    assert " old " not in printed
    await quarantine_knob(store, "committee", "why", now)
    await store.guards.release("charter", "committee", "ann", "repaired", now)
    await store.close()
    (loop,) = json.loads((await run_mapek("status", "--json"))[1])
    assert [hold["knob"] for hold in loop["held"]] == ["admission"]
    assert loop["storm"]["reason"] == "5 of 8 in trouble"


async def test_status_shows_mode_schedule_and_remediations(client: Client, run_mapek: RunMapek, tmp_path: Path) -> None:
    """JSON and plain lines have mode, schedule, remediations and quarantines."""
    await fill_store(tmp_path, is_quarantined=True)
    await start_remediation(client, "quarantined")
    await wait_until_visible(client, 'MapekPhase="quarantined" AND ExecutionStatus="Running"')
    code, printed = await run_mapek("status", "--json")
    (loop,) = json.loads(printed)
    assert (code, loop["mode"]["name"], loop["schedule"]["paused"]) == (0, "observe", False)
    assert (loop["remediations"][0]["plan"], loop["knobs"][0]["quarantined"]) == (PLAN.plan_id, True)
    assert "quarantine committee: rollback failed" in (await run_mapek("status"))[1]
    assert await run_mapek("resume", "charter", "--knob", "committee", "--actor", "ann") == (
        0,
        "knob committee is released\n",
    )
    result: Any = await client.get_workflow_handle(identifiers.remediation_id("charter", "committee")).result()
    assert result == "released by ann"
    assert (await run_mapek("resume", "charter", "--knob", "committee"))[0] == 1


async def test_stop_cancels_and_resume_restores_the_mode(client: Client, run_mapek: RunMapek) -> None:
    """Stop pauses the schedule with its reason and cancels remediations; resume restores the previous mode."""
    assert (await run_mapek("resume", "charter", "--mode", "act"))[0] == 0
    await start_remediation(client, "applying")
    await wait_until_visible(client, 'MapekPhase="applying" AND ExecutionStatus="Running"')
    assert (await run_mapek("stop", "charter", "--reason", "storm", "--actor", "ann"))[0] == 0
    schedule = client.get_schedule_handle(identifiers.schedule_id("charter"))
    state = (await schedule.describe()).schedule.state
    assert (state.paused, state.note) == (True, "stopped by ann: storm")
    described = await client.get_workflow_handle(identifiers.remediation_id("charter", "committee")).describe()
    assert described.status is not None
    assert described.status.name == "CANCELED"
    # A pause after a stop keeps the mode to restore.
    assert (await run_mapek("pause", "charter", "--reason", "still"))[0] == 0
    assert (await run_mapek("resume", "charter"))[1] == "charter is in mode act\n"
    assert not (await schedule.describe()).schedule.state.paused


async def test_doctor_reports_states_and_fixes(
    client: Client, run_mapek: RunMapek, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Existing parts are ok, missing ones have a fix, and an unreachable server gives exit code 3."""
    for name in ("PROMETHEUS_URL", "CHARTER_URL", "ALERTMANAGER_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    code, printed = await run_mapek("doctor", "--json")
    findings = {finding["part"]: finding for finding in json.loads(printed)}
    assert code == 3
    assert findings["search attributes"]["state"] == findings["schedule mapek:charter"]["state"] == "ok"
    assert findings["queue mapek"]["state"] == "ok"
    assert findings["queue mapek-verify"]["fix"] == "start `mapek worker`"
    assert findings["prometheus"]["state"] == "unreachable"
