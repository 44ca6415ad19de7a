"""A namespace of its own with scripted workers, and what a test does there with workflows."""

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

from activities.model.cycle import CycleRequest
from activities.model.remediation import RemediationRequest, RemediationResult
from activities.model.types import Noun
from tests.workflows import activity_results
from tests.workflows.activity_results import PLAN
from tests.workflows.history_summary import story_of
from tests.workflows.scripted_worker import Script, ScriptedWorkers
from worker.temporal import bootstrap
from workflows import names
from workflows.cycle import MapekCycle
from workflows.remediation import Remediation
from workflows.search_attributes import attributes

IDENTITY = "scripted"
"""Of client and workers: histories name nobody's process or host."""
NOTHING = TypedSearchAttributes.empty
PATIENCE = 15.0
"""Seconds until a condition that does not come true fails its test."""


@dataclass(frozen=True)
class Run:
    """A workflow that was started on a stage, with the script of its activities."""

    handle: WorkflowHandle[Any, Any]
    script: Script

    async def history(self) -> WorkflowHistory:
        """Return its history as the server has it."""
        return await self.handle.fetch_history()

    async def story(self) -> list[str]:
        """Return its history in words."""
        return story_of(await self.history())

    async def result(self) -> Any:
        """Return its result."""
        return await asyncio.wait_for(self.handle.result(), PATIENCE)

    async def attribute(self, key: Any) -> Any:
        """Return one of its search attributes."""
        return (await self.handle.describe()).typed_search_attributes.get(key)

    async def until(self, word: str) -> None:
        """Wait until the word stands in its story and the workflow has reacted to it."""
        await self.watch(lambda history: word in story_of(history) and has_reacted(history))

    async def told(self, word: str) -> None:
        """Wait until the word stands in its story, whether or not the workflow knows yet."""
        await self.watch(lambda history: word in story_of(history))

    async def watch(self, come: Callable[[WorkflowHistory], bool]) -> None:
        """Wait until this has come true of its history."""
        deadline = time.monotonic() + PATIENCE
        while not come(history := await self.history()):
            assert time.monotonic() < deadline, f"never came: {story_of(history)}"
            await asyncio.sleep(0.02)

    async def cancel(self) -> None:
        """Ask for its cancellation and wait until the workflow has taken note of it."""
        await self.handle.cancel()
        await self.until("cancel")


def has_reacted(history: WorkflowHistory) -> bool:
    """Tell whether no workflow task is open: the workflow knows all that stands in its history."""
    kinds = [event.WhichOneof("attributes") for event in history.events]
    tasks = [kind for kind in kinds if kind.startswith("workflow_task_")]
    return tasks[-1] == "workflow_task_completed_event_attributes"


class Stage:
    """Where scripted workflows play. A workflow without a script of its own is a healthy cycle."""

    def __init__(self, client: Client, cached: int) -> None:
        self.client = client
        self.workers = ScriptedWorkers(client, self.script_of, cached)
        self.scripts: dict[str, Script] = {}
        self.other = Script({"monitor": activity_results.healthy()})
        self.count = 0

    def script_of(self, workflow_id: str) -> Script:
        """Return the script of a workflow."""
        return self.scripts.get(workflow_id, self.other)

    def fresh(self, kind: str) -> str:
        """Return a name nobody else uses on this stage."""
        self.count += 1
        return f"{kind}{self.count}"

    def lay_out(self, workflow_id: str, script: dict[str, Any]) -> Script:
        """Make this the script of the workflow."""
        self.scripts[workflow_id] = Script(script)
        return self.scripts[workflow_id]

    async def start(
        self,
        workflow: Any,
        argument: Noun,
        workflow_id: str,
        script: dict[str, Any],
        findable_by: TypedSearchAttributes = NOTHING,
    ) -> Run:
        """Start a workflow by its run method, with the script of its activities."""
        laid_out = self.lay_out(workflow_id, script)
        handle = await self.client.start_workflow(
            workflow, argument, id=workflow_id, task_queue=names.QUEUE, search_attributes=findable_by
        )
        return Run(handle, laid_out)

    async def remediate(self, *, knob: str = "", settle: float = 0, leftover: bool = False, **changes: Any) -> Run:
        """Start a remediation whose script fixes everything, but for the changes."""
        request = RemediationRequest(loop="charter", plan_id=PLAN, settle=settle, settle_leftover=leftover)
        return await self.start(
            Remediation.run,
            request,
            names.remediation_id("charter", knob or self.fresh("knob")),
            activity_results.remediation(**changes),
            attributes({names.LOOP: "charter", names.PHASE: "preparing"}),
        )

    async def cycle(self, script: dict[str, Any]) -> Run:
        """Start a cycle of a loop of its own."""
        loop = self.fresh("loop")
        request = CycleRequest(loop=loop, trigger="manual")
        return await self.start(MapekCycle.run, request, names.cycle_id(loop, "manual", "one"), script)

    def child(self, workflow_id: str, result_type: type[Noun] = RemediationResult) -> Run:
        """Return a workflow that another one starts, with the script laid out for it."""
        handle = self.client.get_workflow_handle(workflow_id, result_type=result_type)
        return Run(handle, self.script_of(workflow_id))


@asynccontextmanager
async def open_stage(
    address: str, namespace: str, cached: int = 200, converter: DataConverter = pydantic_data_converter
) -> AsyncIterator[Stage]:
    """Make a namespace with our search attributes and run scripted workers in it.

    The queues have fixed names: in a namespace of its own no other test's worker takes the tasks.
    """
    client = await Client.connect(address, namespace=namespace, data_converter=converter, identity=IDENTITY)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=Duration(seconds=86400))
    )
    await bootstrap.register(client)
    stage = Stage(client, cached)
    async with stage.workers.working():
        yield stage
