"""Worker versioning against a real Temporal server: who ends where, and what is said while nothing is current."""

import asyncio
import uuid
from contextlib import AsyncExitStack
from datetime import timedelta

from temporalio import activity
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.model.cycle import AnalyzeRequest, CycleRequest, DiagnosisBrief, MonitorRequest
from activities.model.intake import LoopState
from activities.model.observation import Observation
from worker.cli.doctor import version_of
from worker.config.schema import TemporalSettings
from worker.main import PASSED_THROUGH
from worker.temporal.versioning import current_build, deployment_of, runner_of
from workflows import names
from workflows.cycle import MapekCycle
from workflows.loop import MapekLoop
from workflows.remediation import Remediation

BOUND = 20.0


class Build:
    """A worker of one build: its Monitor waits until it is let go, its Analyze tells who it was."""

    def __init__(self, client: Client, deployment: str, build: str) -> None:
        self.settings = TemporalSettings(deployment_name=deployment, build_id=build)
        self.looking = asyncio.Event()
        self.go_on = asyncio.Event()

        @activity.defn(name="monitor")
        async def monitor(_: MonitorRequest) -> Observation:
            self.looking.set()
            await self.go_on.wait()
            return Observation(at=1.0, headline="trouble", violation_count=1)

        @activity.defn(name="analyze")
        async def analyze(_: AnalyzeRequest) -> DiagnosisBrief:
            return DiagnosisBrief(headline=f"seen by {build}", at=1.0, outcome="blocked")

        self.worker = Worker(
            client,
            task_queue=f"{names.QUEUE}-{deployment}",
            workflows=[MapekCycle, Remediation, MapekLoop],
            activities=[monitor, analyze],
            workflow_runner=runner_of(self.settings, PASSED_THROUGH),
            deployment_config=deployment_of(self.settings),
        )


async def make_current(client: Client, build: Build) -> None:
    """Make a build current once Temporal knows it."""
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=build.settings.deployment_name,
        build_id=build.settings.build_id,
        version=f"{build.settings.deployment_name}.{build.settings.build_id}",
        identity="a test",
    )
    async with asyncio.timeout(BOUND):
        while True:
            try:
                await client.workflow_service.set_worker_deployment_current_version(request)
            except RPCError:
                await asyncio.sleep(0.2)
            else:
                return


async def test_a_cycle_ends_on_the_code_it_began_with(temporal: WorkflowEnvironment) -> None:
    """A cycle that began before another build became current is finished by the old one; the next one by the new."""
    client, deployment = temporal.client, f"d-{uuid.uuid4().hex[:8]}"
    queue = f"{names.QUEUE}-{deployment}"
    async with AsyncExitStack() as stack:
        old, new = Build(client, deployment, "b1"), Build(client, deployment, "b2")
        await stack.enter_async_context(old.worker)
        found = await version_of(client, old.settings)
        assert (found.state, "nothing is current" in found.detail) == ("missing", True)
        assert "set-current-version" in found.mend
        await make_current(client, old)
        assert (await version_of(client, old.settings)).state == "ok"
        begun = await start(client, queue)
        intake = await client.start_workflow(
            "MapekLoop", LoopState(loop="charter"), id=f"loop-{uuid.uuid4()}", task_queue=queue
        )
        await asyncio.wait_for(old.looking.wait(), BOUND)

        await stack.enter_async_context(new.worker)
        await make_current(client, new)
        assert await current_build(client, deployment) == "b2"
        after = await start(client, queue)
        for build in (old, new):
            build.go_on.set()
        assert (await asyncio.wait_for(begun.result(), BOUND))["headline"] == "seen by b1"
        assert (await asyncio.wait_for(after.result(), BOUND))["headline"] == "seen by b2"
        await intake.query("status")
        await intake.signal("run_cycle")
        await until_on(intake, "b2")
        await intake.terminate()


async def start(client: Client, queue: str):
    """Start a cycle."""
    request, limit = CycleRequest(loop="charter"), timedelta(seconds=60)
    return await client.start_workflow(
        "MapekCycle", request, id=f"cycle-{uuid.uuid4()}", task_queue=queue, execution_timeout=limit
    )


async def until_on(handle, build: str) -> None:
    """Wait until a workflow is on a build."""
    async with asyncio.timeout(BOUND):
        while True:
            info = (await handle.describe()).raw_description.workflow_execution_info.versioning_info
            if info.deployment_version.build_id == build:
                return
            await asyncio.sleep(0.1)


def test_without_a_name_nothing_is_versioned() -> None:
    """Off is the default: a worker that nobody makes current would silently do nothing."""
    assert deployment_of(TemporalSettings()) is None
