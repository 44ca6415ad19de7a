"""Summaries of histories: one or two words per event, in the order of the server."""

import json
from collections.abc import Callable, Iterable

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

END_WORDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "done",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "failed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "cancelled",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timed out",
}
REQUEST_FLAGS = {"prepare": ("answer", "leftover"), "verify": ("rollback",)}
"""Fields of a request that, besides its step, distinguish the calls of an activity."""


def summarize_history(history: WorkflowHistory) -> list[str]:
    """Return the events: `apply 0`, `apply 0 done`, `cancel`, `phase verifying`, `signal yield`, `timer`, ..."""
    scheduled = {
        event.event_id: describe_activity(event)
        for event in history.events
        if has_attributes(event, "activity_task_scheduled")
    }
    return [word for event in history.events for word in describe_event(event, scheduled)]


def list_scheduled_activities(history: WorkflowHistory) -> list[str]:
    """Return the activities in the order of their scheduling."""
    return [describe_activity(event) for event in history.events if has_attributes(event, "activity_task_scheduled")]


def list_phases(history: WorkflowHistory) -> list[str]:
    """Return the phases in the order of their upserts; the first phase is set at the start."""
    return [word.removeprefix("phase ") for word in summarize_history(history) if word.startswith("phase ")]


def describe_event(event: HistoryEvent, scheduled: dict[int, str]) -> Iterable[str]:
    """Yield the words of one event; workflow tasks have none."""
    if has_attributes(event, "activity_task_scheduled"):
        yield scheduled[event.event_id]
    elif event.event_type in END_WORDS:
        attributes = getattr(event, str(event.WhichOneof("attributes")))
        yield f"{scheduled[attributes.scheduled_event_id]} {END_WORDS[event.event_type]}"
    elif has_attributes(event, "upsert_workflow_search_attributes"):
        fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        yield from (f"{name.removeprefix('Mapek').lower()} {json.loads(fields[name].data)}" for name in sorted(fields))
    else:
        yield from (word(event) for name, word in EVENT_WORDS.items() if has_attributes(event, name))


def describe_activity(event: HistoryEvent) -> str:
    """Return the name of an activity call, with its step and flags: `undo 1`, `prepare answer`."""
    attributes = event.activity_task_scheduled_event_attributes
    request = json.loads(attributes.input.payloads[0].data)
    name = attributes.activity_type.name
    flags = [flag for flag in REQUEST_FLAGS.get(name, ()) if request.get(flag)]
    return " ".join([name, *([str(request["step"])] if "step" in request else []), *flags])


def has_attributes(event: HistoryEvent, name: str) -> bool:
    """Return whether the event is of this kind, by the name of its attributes."""
    return event.WhichOneof("attributes") == f"{name}_event_attributes"


EVENT_WORDS: dict[str, Callable[[HistoryEvent], str]] = {
    "workflow_execution_cancel_requested": lambda _: "cancel",
    "workflow_execution_signaled": lambda e: f"signal {e.workflow_execution_signaled_event_attributes.signal_name}",
    "workflow_execution_update_accepted": lambda _: "update accepted",
    "timer_started": lambda _: "timer",
    "timer_fired": lambda _: "timer fired",
    "timer_canceled": lambda _: "timer cancelled",
    "start_child_workflow_execution_initiated": lambda _: "child",
    "child_workflow_execution_started": lambda _: "child started",
    "start_child_workflow_execution_failed": lambda _: "child refused",
    "external_workflow_execution_signaled": lambda _: "signalled",
    "signal_external_workflow_execution_failed": lambda _: "signal refused",
    "workflow_execution_continued_as_new": lambda _: "continued as new",
    "workflow_execution_completed": lambda _: "completed",
    "workflow_execution_canceled": lambda _: "ended as cancelled",
    "workflow_execution_failed": lambda _: "ended as failed",
}
