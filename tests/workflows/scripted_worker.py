"""A worker whose activities bear the product's names and answer from a script.

The test double stands at the activity boundary and nowhere else: workflows, sandbox, data converter, interceptor and
task queues are the product's. Scripts are looked up by workflow id, so one pair of workers plays many at once.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.heartbeat import heartbeating
from activities.model.cycle import AnalyzeRequest, DecisionBrief, DiagnosisBrief, MonitorRequest, PlanRequest
from activities.model.errors import NotFound
from activities.model.intake import Upkeep, UpkeepRequest
from activities.model.observation import Observation
from activities.model.remediation import (
    Applied,
    ApplyRequest,
    Prepared,
    PrepareRequest,
    Recorded,
    RecordRequest,
    ReleaseRequest,
    Undone,
    UndoRequest,
    Verified,
    VerifyRequest,
)
from worker.main import PASSED_THROUGH, WORKFLOWS
from worker.observability.activity_metrics import LastRun
from worker.observability.metrics import Metrics
from worker.temporal.interceptor import MapekInterceptor
from workflows import names

HELD_SECONDS = 20.0
"""A gate nobody opens fails its activity: a test must not hang."""


class Gate:
    """An answer that is given when the test opens the gate; until then the activity is in flight."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def arrived(self) -> None:
        """Wait until an activity stands at the gate."""
        await asyncio.wait_for(self.reached.wait(), HELD_SECONDS)

    async def passed(self) -> Any:
        """Wait until the gate is open and return what stands behind it."""
        self.reached.set()
        await asyncio.wait_for(self.opened.wait(), HELD_SECONDS)
        return self.answer


class Script:
    """What the activities of one workflow answer: for each name a list, whose last entry stands for all further calls.

    An entry is a value, an error to raise, a function of the request, or a `Gate` before one of these.
    """

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.calls: list[tuple[str, Any]] = []
        self._answers: dict[str, Iterator[Any]] = {name: last_for_ever(given) for name, given in answers.items()}

    async def answer(self, name: str, request: Any) -> Any:
        """Play the next entry for this activity."""
        self.calls.append((name, request))
        if name not in self._answers:
            raise NotFound(f"the script knows no {name}")
        entry = next(self._answers[name])
        if isinstance(entry, Gate):
            entry = await entry.passed()
        if isinstance(entry, Exception):
            raise entry
        return entry(request) if callable(entry) else entry

    def requests(self, name: str) -> list[Any]:
        """Return what the activity of this name was asked, in order; a retried attempt asks again."""
        return [request for called, request in self.calls if called == name]


def last_for_ever(given: Any) -> Iterator[Any]:
    """Yield the entries of a list, or one entry, the last one without end."""
    entries = given if isinstance(given, list) else [given]
    yield from entries
    while True:
        yield entries[-1]


class ScriptedActivities:
    """The product's activities by name and type. `script_of` tells the script of a workflow id."""

    def __init__(self, script_of: Callable[[str], Script]) -> None:
        self.script_of = script_of

    async def play(self, request: Any) -> Any:
        """Answer the running activity, alive in the server's eyes as long as it takes."""
        info = activity.info()
        async with heartbeating():
            return await self.script_of(info.workflow_id or "").answer(info.activity_type, request)

    @activity.defn(name="monitor")
    async def monitor(self, request: MonitorRequest) -> Observation:
        return await self.play(request)

    @activity.defn(name="analyze")
    async def analyze(self, request: AnalyzeRequest) -> DiagnosisBrief:
        return await self.play(request)

    @activity.defn(name="plan")
    async def plan(self, request: PlanRequest) -> DecisionBrief:
        return await self.play(request)

    @activity.defn(name="prepare")
    async def prepare(self, request: PrepareRequest) -> Prepared:
        return await self.play(request)

    @activity.defn(name="apply")
    async def apply(self, request: ApplyRequest) -> Applied:
        return await self.play(request)

    @activity.defn(name="undo")
    async def undo(self, request: UndoRequest) -> Undone:
        return await self.play(request)

    @activity.defn(name="verify")
    async def verify(self, request: VerifyRequest) -> Verified:
        return await self.play(request)

    @activity.defn(name="record")
    async def record(self, request: RecordRequest) -> Recorded:
        return await self.play(request)

    @activity.defn(name="release")
    async def release(self, request: ReleaseRequest) -> None:
        return await self.play(request)

    @activity.defn(name="upkeep")
    async def upkeep(self, request: UpkeepRequest) -> Upkeep:
        return await self.play(request)


COMMON = ("monitor", "analyze", "plan", "prepare", "apply", "undo", "record", "release", "upkeep")
"""Activities of the common queue."""


def runner() -> SandboxedWorkflowRunner:
    """Return the sandbox as the worker configures it."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))


class ScriptedWorkers:
    """The product's workers with scripted activities; the one for workflows can be sent to sleep.

    What happens meanwhile reaches a workflow in one single task. `cached` 0 evicts every workflow after every task.
    """

    def __init__(self, client: Client, script_of: Callable[[str], Script], cached: int) -> None:
        self.client = client
        self.cached = cached
        self.scripted = ScriptedActivities(script_of)
        self.interceptor = MapekInterceptor(Metrics(CollectorRegistry()), LastRun())

    def for_workflows(self) -> Worker:
        """Return a worker for all workflows and no activity."""
        return Worker(
            self.client,
            task_queue=names.QUEUE,
            workflows=WORKFLOWS,
            workflow_runner=runner(),
            max_cached_workflows=self.cached,
        )

    def for_activities(self, queue: str, activities: Sequence[str]) -> Worker:
        """Return a worker for these activities and no workflow."""
        return Worker(
            self.client,
            task_queue=queue,
            activities=[getattr(self.scripted, name) for name in activities],
            interceptors=[self.interceptor],
            max_heartbeat_throttle_interval=timedelta(seconds=1),
            default_heartbeat_throttle_interval=timedelta(seconds=1),
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run all workers while the block runs."""
        async with self.for_activities(names.QUEUE, COMMON), self.for_activities(names.VERIFY_QUEUE, ["verify"]):
            self.wake()
            try:
                yield
            finally:
                await self.sleep()

    @asynccontextmanager
    async def asleep(self) -> AsyncIterator[None]:
        """Let no workflow react to anything while the block runs; activities go on."""
        await self.sleep()
        try:
            yield
        finally:
            self.wake()

    def wake(self) -> None:
        """Start to work on workflows."""
        self.deciding = self.for_workflows()
        self.running = asyncio.create_task(self.deciding.run())

    async def sleep(self) -> None:
        """Cease to work on workflows."""
        await self.deciding.shutdown()
        await self.running
