"""A Temporal server in one process without a network: activations drive the product's workflows in virtual time.

It keeps only the promises of the real server. No event is lost, and a workflow task gets all pending events.
Activities run at least once by their retry policy, and an abandoned attempt may still run. One run holds a workflow id.
After a worker was killed, its workflows are replayed and must issue the same commands.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payloads
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.common import Priority, TypedSearchAttributes
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowInstance, WorkflowInstanceDetails

from tests.simulation.activity_attempts import Attempt
from tests.simulation.workflow_commands import execute_command
from tests.simulation.workflow_reset import list_unresolved_commands, truncate_run
from tests.simulation.workflow_run import PAYLOAD_CONVERTER, WorkflowIdInUse, WorkflowRun

WORKFLOW_RUNNER = UnsandboxedWorkflowRunner()
HEARTBEAT_SECONDS = 5.0
"""Default heartbeat timeout, seconds."""


class Engine:
    """All workflows and their activities. `lag` returns the seconds until the next workflow task runs."""

    def __init__(
        self,
        workflows: Mapping[str, type],
        activities: Mapping[str, Callable[[Any], Awaitable[Any]]],
        lag: Callable[[], float],
    ) -> None:
        self.workflows, self.activities, self.lag = workflows, activities, lag
        self.running: dict[str, WorkflowRun] = {}
        self.closed: list[WorkflowRun] = []
        self.attempts: list[Attempt] = []
        self.count = 0

    @property
    def now(self) -> float:
        """The server's time, unix seconds."""
        return asyncio.get_running_loop().time()

    def start_workflow(self, kind: str, workflow_id: str, argument: Any) -> WorkflowRun:
        """Start a workflow.

        Raises:
            WorkflowIdInUse: a run holds the id.
        """
        if workflow_id in self.running:
            raise WorkflowIdInUse(workflow_id)
        self.count += 1
        run = self.running[workflow_id] = WorkflowRun(workflow_id, f"run-{self.count}", kind, argument, self.now)
        job = WorkflowActivationJob()
        job.initialize_workflow.workflow_type = kind
        job.initialize_workflow.workflow_id = workflow_id
        job.initialize_workflow.arguments.extend(PAYLOAD_CONVERTER.to_payloads([argument]))
        job.initialize_workflow.randomness_seed = self.count
        self.add_job(run, job)
        return run

    def deliver_job(self, workflow_id: str, job: WorkflowActivationJob) -> bool:
        """Deliver a signal, update or cancellation to the run of the id; return False without a run."""
        run = self.running.get(workflow_id)
        if run is None:
            return False
        self.record_event(run, job.WhichOneof("variant") or "")
        self.add_job(run, job)
        return True

    def current_run_id(self, workflow_id: str) -> str:
        """Return the id of the run that holds the workflow id, empty without a run."""
        return self.running[workflow_id].run_id if workflow_id in self.running else ""

    def signal(self, workflow_id: str, name: str, argument: Any) -> bool:
        """Send a signal; return False without a run."""
        job = WorkflowActivationJob()
        job.signal_workflow.signal_name = name
        job.signal_workflow.input.extend(PAYLOAD_CONVERTER.to_payloads([argument]))
        return self.deliver_job(workflow_id, job)

    def update(self, workflow_id: str, name: str, argument: Any) -> bool:
        """Send an update; return False without a run. The history has accepted updates only."""
        self.count += 1
        job = WorkflowActivationJob()
        job.do_update.name, job.do_update.id = name, f"update-{self.count}"
        job.do_update.protocol_instance_id = f"update-{self.count}"
        job.do_update.run_validator = True
        job.do_update.input.extend(PAYLOAD_CONVERTER.to_payloads([argument]))
        return self.deliver_job(workflow_id, job)

    def cancel(self, workflow_id: str) -> bool:
        """Request cancellation; return False without a run."""
        job = WorkflowActivationJob()
        job.cancel_workflow.SetInParent()
        return self.deliver_job(workflow_id, job)

    def terminate(self, workflow_id: str) -> bool:
        """Terminate the run; return False without a run."""
        run = self.running.get(workflow_id)
        if run:
            self.record_event(run, "terminated")
            self.close_run(run, "terminated")
        return run is not None

    def reset(self, workflow_id: str, task: int) -> bool:
        """Reset the run to the end of its workflow task `task` (from 1); return False without such a task."""
        run = self.running.get(workflow_id)
        if run is None or not 1 <= task <= len(run.activations):
            return False
        self.count += 1
        again = truncate_run(run, task, f"run-{self.count}", self.now)
        self.terminate(workflow_id)
        self.running[workflow_id] = again
        for command in list_unresolved_commands(again.activations):
            execute_command(self, again, command)
        return True

    def kill_worker(self) -> int:
        """Kill the worker with its attempts and cached workflows; return the number of killed attempts."""
        for run in self.running.values():
            evict_instance(run)
        killed = [
            attempt for attempt in self.attempts if attempt.task and not attempt.task.done() and not attempt.is_dead
        ]
        for attempt in killed:
            attempt.is_dead = True
            attempt.schedule_timeout(attempt.activity.heartbeat_seconds or attempt.activity.timeout_seconds)
            if attempt.task and attempt.task is not asyncio.current_task():
                attempt.task.cancel()
        self.attempts.clear()
        return len(killed)

    def register_attempt(self, attempt: Attempt) -> None:
        """Keep a running attempt, oldest first: `kill_worker` kills in the same order in each run of a seed."""
        self.attempts = [*(known for known in self.attempts if known.task and not known.task.done()), attempt]

    def add_job(self, run: WorkflowRun, job: WorkflowActivationJob) -> None:
        """Add an event to the run's next workflow task, and schedule that task."""
        if run.closed_at is not None:
            return
        run.jobs.append(job)
        if not run.has_pending_task:
            run.has_pending_task = True
            asyncio.get_running_loop().call_later(self.lag(), self.run_workflow_task, run)

    def run_workflow_task(self, run: WorkflowRun) -> None:
        """Run one workflow task.

        Raises:
            RuntimeError: the workflow task failed.
        """
        run.has_pending_task = False
        if run.closed_at is not None:
            return
        activation = WorkflowActivation(run_id=run.run_id, jobs=run.jobs, history_length=10 * len(run.activations) + 3)
        activation.timestamp.FromNanoseconds(round(self.now * 1e9))
        run.jobs = []
        run.instance = run.instance or self.replay(run)
        encoded = activation.SerializeToString()
        completion = activate_workflow(run.instance, activation)
        run.activations.append((encoded, completion.SerializeToString(deterministic=True)))
        if completion.HasField("failed"):
            raise RuntimeError(f"{run.workflow_id}: {completion.failed.failure.message}")
        for command in completion.successful.commands:
            if run.closed_at is None:
                execute_command(self, run, command)

    def replay(self, run: WorkflowRun) -> WorkflowInstance:
        """Return an instance that replayed the run. Other commands than before are recorded as `nondeterminism`."""
        instance = WORKFLOW_RUNNER.create_instance(instance_details(self.workflows[run.type], run))
        for encoded, completion in run.activations:
            activation = WorkflowActivation.FromString(encoded)
            activation.is_replaying = True
            for command in WorkflowActivationCompletion.FromString(completion).successful.commands:
                if command.HasField("set_patch_marker"):
                    activation.jobs.add().notify_has_patch.patch_id = command.set_patch_marker.patch_id
            if activate_workflow(instance, activation).SerializeToString(deterministic=True) != completion:
                self.record_event(run, "nondeterminism")
        return instance

    def close_run(self, run: WorkflowRun, status: str) -> None:
        """End a run and free its id."""
        run.closed_at, run.status = self.now, status
        evict_instance(run)
        run.activations = []
        for timer in run.timers.values():
            timer.cancel()
        for activity in list(run.activities.values()):
            activity.abandon()
        del self.running[run.workflow_id]
        self.closed.append(run)

    def record_event(self, run: WorkflowRun, event: str, **fields: Any) -> None:
        """Append an event to the run's history."""
        run.history.append({"at": self.now, "event": event, **fields})


def activate_workflow(instance: WorkflowInstance, activation: WorkflowActivation) -> WorkflowActivationCompletion:
    """Activate a workflow. The instance sets its own event loop, so the present one is restored afterwards."""
    outer_loop = asyncio.get_running_loop()
    try:
        return instance.activate(activation)
    finally:
        asyncio._set_running_loop(outer_loop)


def evict_instance(run: WorkflowRun) -> None:
    """Remove the run's instance from memory as the SDK does.

    The garbage collector must not close its coroutines: it closes them in any order.
    """
    if run.instance is None:
        return
    activation = WorkflowActivation(run_id=run.run_id)
    activation.jobs.add().remove_from_cache.SetInParent()
    activate_workflow(run.instance, activation)
    run.instance = None


def instance_details(kind: type, run: WorkflowRun) -> WorkflowInstanceDetails:
    """Return the details from which the SDK creates an instance."""
    started = datetime.fromtimestamp(run.started_at, UTC)
    info = workflow.Info(
        attempt=1,
        continued_run_id=None,
        cron_schedule=None,
        execution_timeout=None,
        first_execution_run_id=run.run_id,
        headers={},
        namespace="simulation",
        original_execution_run_id=run.original_run_id or run.run_id,
        parent=None,
        priority=Priority.default,
        raw_memo={},
        retry_policy=None,
        root=None,
        run_id=run.run_id,
        run_timeout=None,
        search_attributes={},
        start_time=started,
        task_queue="simulation",
        task_timeout=started - started,
        typed_search_attributes=TypedSearchAttributes([]),
        workflow_id=run.workflow_id,
        workflow_start_time=started,
        workflow_type=run.type,
    )
    return WorkflowInstanceDetails(
        payload_converter_factory=lambda: PAYLOAD_CONVERTER,
        failure_converter_class=pydantic_data_converter.failure_converter_class,
        interceptor_classes=(),
        defn=workflow._Definition.must_from_class(kind),
        info=info,
        randomness_seed=1,
        extern_functions={},
        disable_eager_activity_execution=True,
        worker_level_failure_exception_types=(),
        patch_activation_callback=None,
        last_completion_result=Payloads(),
        last_failure=None,
    )
