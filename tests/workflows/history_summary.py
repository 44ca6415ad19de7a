"""Histories as people read them: one or two words an event, in the order of the server."""

import json
from collections.abc import Callable, Iterable

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

ENDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "done",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "failed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "cancelled",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timed out",
}
FLAGS = {"prepare": ("answer", "leftover"), "verify": ("rollback",)}
"""Fields of an activity's request that tell, beside its step, one call of it from another."""


def story_of(history: WorkflowHistory) -> list[str]:
    """Return what happened: `apply 0`, `apply 0 done`, `cancel`, `phase verifying`, `signal yield`, `timer`, ..."""
    scheduled = {event.event_id: call_of(event) for event in history.events if has(event, "activity_task_scheduled")}
    return [word for event in history.events for word in words_of(event, scheduled)]


def order_of(history: WorkflowHistory) -> list[str]:
    """Return the activities in the order in which they were scheduled."""
    return [call_of(event) for event in history.events if has(event, "activity_task_scheduled")]


def phases_of(history: WorkflowHistory) -> list[str]:
    """Return the phases in the order in which they became findable; the first one is given at the start."""
    return [word.removeprefix("phase ") for word in story_of(history) if word.startswith("phase ")]


def words_of(event: HistoryEvent, scheduled: dict[int, str]) -> Iterable[str]:
    """Return what one event says; workflow tasks say nothing."""
    if has(event, "activity_task_scheduled"):
        yield scheduled[event.event_id]
    elif event.event_type in ENDS:
        attributes = getattr(event, event.WhichOneof("attributes"))
        yield f"{scheduled[attributes.scheduled_event_id]} {ENDS[event.event_type]}"
    elif has(event, "upsert_workflow_search_attributes"):
        fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
        yield from (f"{name.removeprefix('Mapek').lower()} {json.loads(fields[name].data)}" for name in sorted(fields))
    else:
        yield from (word(event) for name, word in OTHERS.items() if has(event, name))


def call_of(event: HistoryEvent) -> str:
    """Return an activity's name with what tells this call from others: `undo 1`, `prepare approved`."""
    attributes = event.activity_task_scheduled_event_attributes
    request = json.loads(attributes.input.payloads[0].data)
    name = attributes.activity_type.name
    flags = [flag for flag in FLAGS.get(name, ()) if request.get(flag)]
    return " ".join([name, *([str(request["step"])] if "step" in request else []), *flags])


def has(event: HistoryEvent, name: str) -> bool:
    """Tell whether the event is of this kind, by the name of its attributes."""
    return event.WhichOneof("attributes") == f"{name}_event_attributes"


OTHERS: dict[str, Callable[[HistoryEvent], str]] = {
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
