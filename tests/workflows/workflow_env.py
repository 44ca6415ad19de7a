"""A namespace with scripted workers, and the steps of the tests in it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.common import TypedSearchAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from activities.model import identifiers
from activities.model.cycle import CycleRequest
from activities.model.remediation import RemediationRequest, RemediationResult
from activities.model.types import FrozenModel
from tests.workflows import activity_results
from tests.workflows.activity_results import PLAN_ID
from tests.workflows.history_summary import summarize_history
from tests.workflows.scripted_worker import ActivityScript, ScriptedWorkers
from worker.temporal import attribute_registration
from workflows import search_attributes
from workflows.cycle import MapekCycle
from workflows.remediation import MapekRemediation
from workflows.search_attributes import build_search_attributes

CLIENT_IDENTITY = "scripted"
"""Identity of client and workers: histories must not name a process or host."""
NO_SEARCH_ATTRIBUTES = TypedSearchAttributes.empty
WAIT_TIMEOUT_SECONDS = 15.0
"""Seconds until an unmet condition fails its test."""


@dataclass(frozen=True)
class ScriptedRun:
    """A started workflow, with the script of its activities."""

    handle: WorkflowHandle[Any, Any]
    script: ActivityScript

    async def fetch_history(self) -> WorkflowHistory:
        """Return the history from the server."""
        return await self.handle.fetch_history()

    async def summarize_history(self) -> list[str]:
        """Return the summary of the history."""
        return summarize_history(await self.fetch_history())

    async def fetch_result(self) -> Any:
        """Return the result."""
        return await asyncio.wait_for(self.handle.result(), WAIT_TIMEOUT_SECONDS)

    async def fetch_attribute(self, key: Any) -> Any:
        """Return a search attribute."""
        return (await self.handle.describe()).typed_search_attributes.get(key)

    async def wait_until_handled(self, event: str) -> None:
        """Wait until the event is in the history and the workflow has reacted to it."""
        await self.wait_for_history(lambda history: event in summarize_history(history) and has_reacted(history))

    async def wait_until_recorded(self, event: str) -> None:
        """Wait until the event is in the history."""
        await self.wait_for_history(lambda history: event in summarize_history(history))

    async def wait_for_history(self, condition: Callable[[WorkflowHistory], bool]) -> None:
        """Wait until the condition holds for the history."""
        deadline = time.monotonic() + WAIT_TIMEOUT_SECONDS
        while not condition(history := await self.fetch_history()):
            assert time.monotonic() < deadline, f"missing in: {summarize_history(history)}"
            await asyncio.sleep(0.02)

    async def cancel_and_wait(self) -> None:
        """Request the cancellation and wait until the workflow has handled it."""
        await self.handle.cancel()
        await self.wait_until_handled("cancel")


def has_reacted(history: WorkflowHistory) -> bool:
    """Return whether no workflow task is open: the workflow has handled every event of the history."""
    kinds = [str(event.WhichOneof("attributes")) for event in history.events]
    tasks = [kind for kind in kinds if kind.startswith("workflow_task_")]
    return tasks[-1] == "workflow_task_completed_event_attributes"


class WorkflowTestEnv:
    """An environment for scripted workflows. A workflow without a script is a healthy cycle."""

    def __init__(self, client: Client, cached: int) -> None:
        self.client = client
        self.workers = ScriptedWorkers(client, self.script_of, cached)
        self.scripts: dict[str, ActivityScript] = {}
        self.default_script = ActivityScript({"monitor": activity_results.make_healthy_observation()})
        self.count = 0

    def script_of(self, workflow_id: str) -> ActivityScript:
        """Return the script of a workflow."""
        return self.scripts.get(workflow_id, self.default_script)

    def unique_name(self, kind: str) -> str:
        """Return a name that is unique in this environment."""
        self.count += 1
        return f"{kind}{self.count}"

    def set_script(self, workflow_id: str, script: dict[str, Any]) -> ActivityScript:
        """Set the script of the workflow."""
        self.scripts[workflow_id] = ActivityScript(script)
        return self.scripts[workflow_id]

    async def start_workflow(
        self,
        workflow: Any,
        argument: FrozenModel,
        workflow_id: str,
        script: dict[str, Any],
        search_attributes: TypedSearchAttributes = NO_SEARCH_ATTRIBUTES,
    ) -> ScriptedRun:
        """Start a workflow by its run method, with the script of its activities."""
        activity_script = self.set_script(workflow_id, script)
        handle = await self.client.start_workflow(
            workflow, argument, id=workflow_id, task_queue=identifiers.TASK_QUEUE, search_attributes=search_attributes
        )
        return ScriptedRun(handle, activity_script)

    async def start_remediation(
        self, *, knob: str = "", settle: float = 0, is_leftover: bool = False, **changes: Any
    ) -> ScriptedRun:
        """Start a remediation with a script that fixes the problem, with the changes."""
        request = RemediationRequest(loop="charter", plan_id=PLAN_ID, settle=settle, roll_back_leftover=is_leftover)
        return await self.start_workflow(
            MapekRemediation.run,
            request,
            identifiers.remediation_id("charter", knob or self.unique_name("knob")),
            activity_results.make_remediation_script(**changes),
            build_search_attributes({search_attributes.LOOP: "charter", search_attributes.PHASE: "preparing"}),
        )

    async def start_cycle(self, script: dict[str, Any]) -> ScriptedRun:
        """Start a cycle of a new loop."""
        loop = self.unique_name("loop")
        request = CycleRequest(loop=loop, trigger="manual")
        return await self.start_workflow(MapekCycle.run, request, identifiers.cycle_id(loop, "manual", "one"), script)

    def expect_child(self, workflow_id: str, result_type: type[FrozenModel] = RemediationResult) -> ScriptedRun:
        """Return a workflow that another one starts, with its script."""
        handle = self.client.get_workflow_handle(workflow_id, result_type=result_type)
        return ScriptedRun(handle, self.script_of(workflow_id))


@asynccontextmanager
async def open_workflow_env(
    address: str, namespace: str, cached: int = 200, converter: DataConverter = pydantic_data_converter
) -> AsyncIterator[WorkflowTestEnv]:
    """Create a namespace with the search attributes and run scripted workers in it.

    The queues have fixed names. In a separate namespace, no worker of another test takes their tasks.
    """
    client = await Client.connect(address, namespace=namespace, data_converter=converter, identity=CLIENT_IDENTITY)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=Duration(seconds=86400))
    )
    await attribute_registration.register_missing_attributes(client)
    env = WorkflowTestEnv(client, cached)
    async with env.workers.run_workers():
        yield env
