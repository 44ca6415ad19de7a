"""The server's handler of each command of a workflow task."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from temporalio.bridge.proto.child_workflow import StartChildWorkflowExecutionFailedCause
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import WorkflowCommand

from tests.simulation.activity_attempts import ScheduledActivity
from tests.simulation.workflow_run import PAYLOAD_CONVERTER, EngineServer, WorkflowIdInUse, WorkflowRun


def execute_command(server: EngineServer, run: WorkflowRun, command: WorkflowCommand) -> None:
    """Execute one command.

    Raises:
        KeyError: the command has no handler in `COMMAND_HANDLERS`.
    """
    kind = command.WhichOneof("variant") or ""
    COMMAND_HANDLERS[kind](server, run, getattr(command, kind))


def start_timer(server: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Start a timer; it fires unless it is cancelled."""
    job = WorkflowActivationJob()
    job.fire_timer.seq = command.seq

    def fire() -> None:
        run.timers.pop(command.seq, None)
        server.record_event(run, "timer")
        server.add_job(run, job)

    delay = command.start_to_fire_timeout.ToNanoseconds() / 1e9
    run.timers[command.seq] = asyncio.get_running_loop().call_later(delay, fire)


def cancel_timer(_: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Cancel a timer; it may just have fired."""
    timer = run.timers.pop(command.seq, None)
    if timer:
        timer.cancel()


def schedule_activity(server: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Schedule an activity and start its first attempt."""
    run.activities[command.seq] = ScheduledActivity(server, run, command)


def request_cancel_activity(_: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Cancel an activity; it may just have ended."""
    activity = run.activities.get(command.seq)
    if activity:
        activity.cancel()


def start_child_workflow(server: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Start a child workflow. It is detached, as all children of the product."""
    job = WorkflowActivationJob()
    resolution = job.resolve_child_workflow_execution_start
    resolution.seq = command.seq
    (argument,) = PAYLOAD_CONVERTER.from_payloads(command.input, [dict])
    try:
        child = server.start_workflow(command.workflow_type, command.workflow_id, argument)
        resolution.succeeded.run_id = child.run_id
    except WorkflowIdInUse:
        cause = StartChildWorkflowExecutionFailedCause
        resolution.failed.workflow_id, resolution.failed.workflow_type = command.workflow_id, command.workflow_type
        resolution.failed.cause = cause.START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS
    server.add_job(run, job)


def signal_external(server: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Signal another workflow; the sender gets a failure without a run."""
    signal = WorkflowActivationJob()
    signal.signal_workflow.signal_name = command.signal_name
    signal.signal_workflow.input.extend(command.args)
    sent = server.deliver_job(command.workflow_execution.workflow_id, signal)
    job = WorkflowActivationJob()
    job.resolve_signal_external_workflow.seq = command.seq
    if not sent:
        job.resolve_signal_external_workflow.failure.message = "workflow not found"
        job.resolve_signal_external_workflow.failure.application_failure_info.type = "NotFound"
    server.add_job(run, job)


def cancel_external_workflow(server: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Cancel another workflow's run; the sender gets a failure unless it runs."""
    target = command.workflow_execution
    cancel = WorkflowActivationJob()
    cancel.cancel_workflow.SetInParent()
    job = WorkflowActivationJob()
    job.resolve_request_cancel_external_workflow.seq = command.seq
    if server.current_run_id(target.workflow_id) != target.run_id or not server.deliver_job(target.workflow_id, cancel):
        failure = job.resolve_request_cancel_external_workflow.failure
        failure.message, failure.application_failure_info.type = "the run is closed", "NotFound"
    server.add_job(run, job)


def upsert_search_attributes(_: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Keep the search attributes as text."""
    for name, payload in command.search_attributes.indexed_fields.items():
        run.attributes[name] = payload.data.decode().strip('"')


def respond_to_update(server: EngineServer, run: WorkflowRun, command: Any) -> None:
    """Record the response to an update; a real history has no rejected ones."""
    kind = command.WhichOneof("response")
    if kind != "rejected":
        server.record_event(run, "update", response=kind)


def end_run(status: str) -> Callable[[EngineServer, WorkflowRun, Any], None]:
    """Return the handler of a command that ends the run."""

    def end(server: EngineServer, run: WorkflowRun, command: Any) -> None:
        server.record_event(run, status)
        server.close_run(run, status)

    return end


def ignore_command(_server: EngineServer, _run: WorkflowRun, _command: Any) -> None:
    """Ignore a marker or description."""


COMMAND_HANDLERS: Mapping[str, Callable[[EngineServer, WorkflowRun, Any], None]] = {
    "start_timer": start_timer,
    "cancel_timer": cancel_timer,
    "schedule_activity": schedule_activity,
    "request_cancel_activity": request_cancel_activity,
    "start_child_workflow_execution": start_child_workflow,
    "signal_external_workflow_execution": signal_external,
    "request_cancel_external_workflow_execution": cancel_external_workflow,
    "upsert_workflow_search_attributes": upsert_search_attributes,
    "update_response": respond_to_update,
    "set_patch_marker": ignore_command,
    "modify_workflow_properties": ignore_command,
    "complete_workflow_execution": end_run("completed"),
    "fail_workflow_execution": end_run("failed"),
    "cancel_workflow_execution": end_run("cancelled"),
}
