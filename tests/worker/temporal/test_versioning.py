"""Worker versioning against a real Temporal server: where workflows end, and the warning without a current build."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.model import identifiers
from activities.model.cycle import AnalyzeRequest, CycleRequest, DiagnosisSummary, MonitorRequest
from activities.model.loop_state import LoopState
from activities.model.observation import Observation
from worker.cli.doctor import check_version
from worker.config.schema import TemporalSettings
from worker.main import PASSED_THROUGH
from worker.temporal.versioning import build_deployment_config, build_workflow_runner, find_current_build
from workflows.cycle import MapekCycle
from workflows.loop import MapekLoop
from workflows.remediation import MapekRemediation

WAIT_TIMEOUT_SECONDS = 20.0


class BuildWorker:
    """A worker of one build: its `monitor` waits for `release`, and its `analyze` reports the build."""

    def __init__(self, client: Client, deployment: str, build: str) -> None:
        self.settings = TemporalSettings(deployment_name=deployment, build_id=build)
        self.monitor_started = asyncio.Event()
        self.release = asyncio.Event()

        @activity.defn(name="monitor")
        async def monitor(_: MonitorRequest) -> Observation:
            self.monitor_started.set()
            await self.release.wait()
            return Observation(at=1.0, headline="trouble", violation_count=1)

        @activity.defn(name="analyze")
        async def analyze(_: AnalyzeRequest) -> DiagnosisSummary:
            return DiagnosisSummary(headline=f"seen by {build}", at=1.0, outcome="blocked")

        self.worker = Worker(
            client,
            task_queue=f"{identifiers.TASK_QUEUE}-{deployment}",
            workflows=[MapekCycle, MapekRemediation, MapekLoop],
            activities=[monitor, analyze],
            workflow_runner=build_workflow_runner(self.settings, PASSED_THROUGH),
            deployment_config=build_deployment_config(self.settings),
        )


async def make_current(client: Client, build: BuildWorker) -> None:
    """Make a build the current one as soon as Temporal knows it."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=build.settings.deployment_name,
        build_id=build.settings.build_id,
        version=f"{build.settings.deployment_name}.{build.settings.build_id}",
        identity="a test",
    )
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while True:
            try:
                await client.workflow_service.set_worker_deployment_current_version(request)
            except RPCError:
                await asyncio.sleep(0.2)
            else:
                return


async def test_a_cycle_ends_on_the_build_it_started_on(temporal: WorkflowEnvironment) -> None:
    """A cycle that started before a new build became current ends on the old one; the next cycle uses the new one."""
    client, deployment = temporal.client, f"d-{uuid.uuid4().hex[:8]}"
    queue = f"{identifiers.TASK_QUEUE}-{deployment}"
    async with AsyncExitStack() as stack:
        old, new = BuildWorker(client, deployment, "b1"), BuildWorker(client, deployment, "b2")
        await stack.enter_async_context(old.worker)
        finding = await check_version(client, old.settings)
        assert (finding.state, "no build is current" in finding.detail) == ("missing", True)
        assert "set-current-version" in finding.fix
        await make_current(client, old)
        assert (await check_version(client, old.settings)).state == "ok"
        first = await start_cycle(client, queue)
        intake = await client.start_workflow(
            "MapekLoop", LoopState(loop="charter"), id=f"loop-{uuid.uuid4()}", task_queue=queue
        )
        await asyncio.wait_for(old.monitor_started.wait(), WAIT_TIMEOUT_SECONDS)

        await stack.enter_async_context(new.worker)
        await make_current(client, new)
        assert await find_current_build(client, deployment) == "b2"
        second = await start_cycle(client, queue)
        for build in (old, new):
            build.release.set()
        assert (await asyncio.wait_for(first.result(), WAIT_TIMEOUT_SECONDS))["headline"] == "seen by b1"
        assert (await asyncio.wait_for(second.result(), WAIT_TIMEOUT_SECONDS))["headline"] == "seen by b2"
        await intake.query("status")
        await intake.signal("run_cycle")
        await wait_until_on_build(intake, "b2")
        await intake.terminate()


async def start_cycle(client: Client, queue: str) -> WorkflowHandle[Any, Any]:
    """Start a cycle."""
    request, limit = CycleRequest(loop="charter"), timedelta(seconds=60)
    return await client.start_workflow(
        "MapekCycle", request, id=f"cycle-{uuid.uuid4()}", task_queue=queue, execution_timeout=limit
    )


async def wait_until_on_build(handle: WorkflowHandle[Any, Any], build: str) -> None:
    """Wait until a workflow runs on a build."""
    async with asyncio.timeout(WAIT_TIMEOUT_SECONDS):
        while True:
            info = (await handle.describe()).raw_description.workflow_execution_info.versioning_info
            if info.deployment_version.build_id == build:
                return
            await asyncio.sleep(0.1)


def test_versioning_is_off_by_default() -> None:
    """Without a deployment name there is no version, since a version that is not current does nothing."""
    assert build_deployment_config(TemporalSettings()) is None
