"""Workers whose activities have the product's names and answer from a script.

Only the activities are replaced: workflows, sandbox, data converter, interceptor and task queues are the product's. A
script is found by workflow id, so one pair of workers plays many at the same time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from activities.heartbeat import background_heartbeat
from activities.model import identifiers
from activities.model.cycle import AnalyzeRequest, DecisionSummary, DiagnosisSummary, MonitorRequest, PlanRequest
from activities.model.errors import NotFound
from activities.model.observation import Observation
from activities.model.remediation import (
    ApplyRequest,
    ApplyResult,
    PrepareRequest,
    PrepareResult,
    RecordRequest,
    RecordResult,
    ReleaseRequest,
    UndoRequest,
    UndoResult,
    VerifyRequest,
    VerifyResult,
)
from activities.model.upkeep import UpkeepRequest, UpkeepResult
from worker.main import PASSED_THROUGH, WORKFLOWS
from worker.observability.activity_metrics import LastRun
from worker.observability.metrics import Metrics
from worker.temporal.interceptor import MapekInterceptor

T = TypeVar("T")

MAX_HOLD_SECONDS = 20.0
"""Seconds until an answer that is not released fails its activity: a test must not hang."""


class HeldAnswer:
    """An answer that is given when the test releases it; until then the activity is in flight."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def wait_for_arrival(self) -> None:
        """Wait until an activity waits for the answer."""
        await asyncio.wait_for(self.reached.wait(), MAX_HOLD_SECONDS)

    async def wait_for_release(self) -> Any:
        """Wait for the release and return the answer."""
        self.reached.set()
        await asyncio.wait_for(self.opened.wait(), MAX_HOLD_SECONDS)
        return self.answer


class ActivityScript:
    """The answers of one workflow's activities: a list per name, whose last entry repeats.

    An entry is a value, an error to raise, a function of the request, or a `HeldAnswer` around one of these.
    """

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.calls: list[tuple[str, Any]] = []
        self._answers: dict[str, Iterator[Any]] = {name: repeat_last(given) for name, given in answers.items()}

    async def play_answer(self, name: str, request: Any) -> Any:
        """Play the next entry of this activity."""
        self.calls.append((name, request))
        if name not in self._answers:
            raise NotFound(f"the script has no answer for {name}")
        entry = next(self._answers[name])
        if isinstance(entry, HeldAnswer):
            entry = await entry.wait_for_release()
        if isinstance(entry, Exception):
            raise entry
        return entry(request) if callable(entry) else entry

    def requests_of(self, name: str) -> list[Any]:
        """Return the requests of the activity in order, with those of retried attempts."""
        return [request for called, request in self.calls if called == name]


def repeat_last(values: Any) -> Iterator[Any]:
    """Yield the entries of a list, or a single entry; the last one repeats without end."""
    entries = values if isinstance(values, list) else [values]
    yield from entries
    while True:
        yield entries[-1]


class ScriptedActivities:
    """The product's activities by name and type. `script_of` returns the script of a workflow id."""

    def __init__(self, script_of: Callable[[str], ActivityScript]) -> None:
        self.script_of = script_of

    async def play_activity(self, request: Any, result_type: type[T] | None = None) -> T:
        """Answer the running activity, with heartbeats until the answer comes."""
        info = activity.info()
        async with background_heartbeat():
            answer = await self.script_of(info.workflow_id or "").play_answer(info.activity_type, request)
        assert result_type is None or isinstance(answer, result_type)
        return cast(T, answer)

    @activity.defn(name="monitor")
    async def monitor(self, request: MonitorRequest) -> Observation:
        return await self.play_activity(request, Observation)

    @activity.defn(name="analyze")
    async def analyze(self, request: AnalyzeRequest) -> DiagnosisSummary:
        return await self.play_activity(request, DiagnosisSummary)

    @activity.defn(name="plan")
    async def plan(self, request: PlanRequest) -> DecisionSummary:
        return await self.play_activity(request, DecisionSummary)

    @activity.defn(name="prepare")
    async def prepare(self, request: PrepareRequest) -> PrepareResult:
        return await self.play_activity(request, PrepareResult)

    @activity.defn(name="apply")
    async def apply(self, request: ApplyRequest) -> ApplyResult:
        return await self.play_activity(request, ApplyResult)

    @activity.defn(name="undo")
    async def undo(self, request: UndoRequest) -> UndoResult:
        return await self.play_activity(request, UndoResult)

    @activity.defn(name="verify")
    async def verify(self, request: VerifyRequest) -> VerifyResult:
        return await self.play_activity(request, VerifyResult)

    @activity.defn(name="record")
    async def record(self, request: RecordRequest) -> RecordResult:
        return await self.play_activity(request, RecordResult)

    @activity.defn(name="release")
    async def release(self, request: ReleaseRequest) -> None:
        await self.play_activity(request, type(None))

    @activity.defn(name="upkeep")
    async def upkeep(self, request: UpkeepRequest) -> UpkeepResult:
        return await self.play_activity(request, UpkeepResult)


COMMON_QUEUE_ACTIVITIES = ("monitor", "analyze", "plan", "prepare", "apply", "undo", "record", "release", "upkeep")
"""Activities of the common queue."""


def make_workflow_runner() -> SandboxedWorkflowRunner:
    """Return the sandbox as the worker configures it."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))


class ScriptedWorkers:
    """The product's workers with scripted activities; the workflow worker can be paused.

    Events during a pause reach a workflow in a single task. `cached` 0 evicts every workflow after every task.
    """

    def __init__(self, client: Client, script_of: Callable[[str], ActivityScript], cached: int) -> None:
        self.client = client
        self.max_cached_workflows = cached
        self.activities = ScriptedActivities(script_of)
        self.interceptor = MapekInterceptor(Metrics(CollectorRegistry()), LastRun())

    def make_workflow_worker(self) -> Worker:
        """Return a worker for all workflows, without activities."""
        return Worker(
            self.client,
            task_queue=identifiers.TASK_QUEUE,
            workflows=WORKFLOWS,
            workflow_runner=make_workflow_runner(),
            max_cached_workflows=self.max_cached_workflows,
        )

    def make_activity_worker(self, queue: str, activities: Sequence[str]) -> Worker:
        """Return a worker for these activities, without workflows."""
        return Worker(
            self.client,
            task_queue=queue,
            activities=[getattr(self.activities, name) for name in activities],
            interceptors=[self.interceptor],
            max_heartbeat_throttle_interval=timedelta(seconds=1),
            default_heartbeat_throttle_interval=timedelta(seconds=1),
        )

    @asynccontextmanager
    async def run_workers(self) -> AsyncIterator[None]:
        """Run all workers during the block."""
        async with (
            self.make_activity_worker(identifiers.TASK_QUEUE, COMMON_QUEUE_ACTIVITIES),
            self.make_activity_worker(identifiers.VERIFY_TASK_QUEUE, ["verify"]),
        ):
            self.start_workflow_worker()
            try:
                yield
            finally:
                await self.stop_workflow_worker()

    @asynccontextmanager
    async def paused_workflows(self) -> AsyncIterator[None]:
        """Pause all workflows during the block; activities continue."""
        await self.stop_workflow_worker()
        try:
            yield
        finally:
            self.start_workflow_worker()

    def start_workflow_worker(self) -> None:
        """Start the workflow worker."""
        self.workflow_worker = self.make_workflow_worker()
        self.worker_task = asyncio.create_task(self.workflow_worker.run())

    async def stop_workflow_worker(self) -> None:
        """Stop the workflow worker."""
        await self.workflow_worker.shutdown()
        await self.worker_task
