"""The reset of a run: it keeps its activations up to one workflow task; commands unresolved then run again."""

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from tests.simulation.workflow_run import WorkflowRun

STARTING_COMMANDS = ("schedule_activity", "start_timer")
RESOLVING_JOBS = ("resolve_activity", "fire_timer")
CANCELLING_COMMANDS = ("request_cancel_activity", "cancel_timer")
REPEATED_COMMANDS = (*STARTING_COMMANDS, "upsert_workflow_search_attributes")


def truncate_run(run: WorkflowRun, task: int, run_id: str, now: float) -> WorkflowRun:
    """Return a run with the activations of `run` up to its workflow task `task` (from 1)."""
    reset_run = WorkflowRun(run.workflow_id, run_id, run.type, run.argument, now, run.original_run_id or run.run_id)
    reset_run.activations = run.activations[:task]
    last = WorkflowActivation.FromString(reset_run.activations[-1][0]).timestamp.ToNanoseconds() / 1e9
    reset_run.history = [event for event in run.history if event["at"] <= last]
    return reset_run


def list_unresolved_commands(activations: list[tuple[bytes, bytes]]) -> list[WorkflowCommand]:
    """Return the commands to execute again: search attributes, and unresolved timers and activities."""
    issued: list[WorkflowCommand] = []
    resolved: set[tuple[bool, int]] = set()
    for activation, completion in activations:
        for job in WorkflowActivation.FromString(activation).jobs:
            kind = job.WhichOneof("variant") or ""
            if kind in RESOLVING_JOBS:
                resolved.add((kind == "fire_timer", getattr(job, kind).seq))
        for command in WorkflowActivationCompletion.FromString(completion).successful.commands:
            command_kind = command.WhichOneof("variant") or ""
            if command_kind in CANCELLING_COMMANDS:
                resolved.add((command_kind == "cancel_timer", getattr(command, command_kind).seq))
            elif command_kind in REPEATED_COMMANDS:
                issued.append(command)
    return [command for command in issued if not _is_resolved(command, resolved)]


def _is_resolved(command: WorkflowCommand, resolved: set[tuple[bool, int]]) -> bool:
    kind = command.WhichOneof("variant") or ""
    return kind in STARTING_COMMANDS and (kind == "start_timer", getattr(command, kind).seq) in resolved
