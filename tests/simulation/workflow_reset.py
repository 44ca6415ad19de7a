"""What a reset leaves of a run: everything up to one workflow task, and what was under way then begins again."""

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion

from tests.simulation.workflow_run import Run

STARTED = ("schedule_activity", "start_timer")
RESOLVED = ("resolve_activity", "fire_timer")
GIVEN_UP = ("request_cancel_activity", "cancel_timer")
KEPT = (*STARTED, "upsert_workflow_search_attributes")


def shortened(run: Run, task: int, run_id: str, now: float) -> Run:
    """Return a run that was told what `run` was told up to its workflow task `task` (from 1), and nothing since."""
    again = Run(run.workflow_id, run_id, run.type, run.argument, now, run.original or run.run_id)
    again.told = run.told[:task]
    last = WorkflowActivation.FromString(again.told[-1][0]).timestamp.ToNanoseconds() / 1e9
    again.history = [event for event in run.history if event["at"] <= last]
    return again


def unresolved(told: list[tuple[bytes, bytes]]) -> list[WorkflowCommand]:
    """Return the commands to carry out again: attributes, and the timers and activities not over by then."""
    issued: list[WorkflowCommand] = []
    over: set[tuple[bool, int]] = set()
    for activation, completion in told:
        for job in WorkflowActivation.FromString(activation).jobs:
            kind = job.WhichOneof("variant") or ""
            if kind in RESOLVED:
                over.add((kind == "fire_timer", getattr(job, kind).seq))
        for command in WorkflowActivationCompletion.FromString(completion).successful.commands:
            kind = command.WhichOneof("variant") or ""
            if kind in GIVEN_UP:
                over.add((kind == "cancel_timer", getattr(command, kind).seq))
            elif kind in KEPT:
                issued.append(command)
    return [command for command in issued if not _over(command, over)]


def _over(command: WorkflowCommand, over: set[tuple[bool, int]]) -> bool:
    kind = command.WhichOneof("variant") or ""
    return kind in STARTED and (kind == "start_timer", getattr(command, kind).seq) in over
