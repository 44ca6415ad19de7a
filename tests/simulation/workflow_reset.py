"""What a reset leaves of a run: everything up to one workflow task, and what was under way then begins again."""

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from tests.simulation.workflow_run import WorkflowRun

STARTING_COMMANDS = ("schedule_activity", "start_timer")
RESOLVING_JOBS = ("resolve_activity", "fire_timer")
CANCELLING_COMMANDS = ("request_cancel_activity", "cancel_timer")
REPEATED_COMMANDS = (*STARTING_COMMANDS, "upsert_workflow_search_attributes")


def truncate_run(run: WorkflowRun, task: int, run_id: str, now: float) -> WorkflowRun:
    """Return a run that was told what `run` was told up to its workflow task `task` (from 1), and nothing since."""
    again = WorkflowRun(run.workflow_id, run_id, run.type, run.argument, now, run.original_run_id or run.run_id)
    again.activations = run.activations[:task]
    last = WorkflowActivation.FromString(again.activations[-1][0]).timestamp.ToNanoseconds() / 1e9
    again.history = [event for event in run.history if event["at"] <= last]
    return again


def list_unresolved_commands(activations: list[tuple[bytes, bytes]]) -> list[WorkflowCommand]:
    """Return the commands to carry out again: attributes, and the timers and activities not over by then."""
    issued: list[WorkflowCommand] = []
    over: set[tuple[bool, int]] = set()
    for activation, completion in activations:
        for job in WorkflowActivation.FromString(activation).jobs:
            kind = job.WhichOneof("variant") or ""
            if kind in RESOLVING_JOBS:
                over.add((kind == "fire_timer", getattr(job, kind).seq))
        for command in WorkflowActivationCompletion.FromString(completion).successful.commands:
            kind = command.WhichOneof("variant") or ""
            if kind in CANCELLING_COMMANDS:
                over.add((kind == "cancel_timer", getattr(command, kind).seq))
            elif kind in REPEATED_COMMANDS:
                issued.append(command)
    return [command for command in issued if not _is_resolved(command, over)]


def _is_resolved(command: WorkflowCommand, resolved: set[tuple[bool, int]]) -> bool:
    kind = command.WhichOneof("variant") or ""
    return kind in STARTING_COMMANDS and (kind == "start_timer", getattr(command, kind).seq) in resolved
