"""A run of a workflow, and the protocol of the server that commands and activities use."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import WorkflowInstance

from activities.model.identifiers import SearchAttribute

PAYLOAD_CONVERTER = pydantic_data_converter.payload_converter
FAILURE_CONVERTER = pydantic_data_converter.failure_converter

Event = dict[str, Any]
"""An event of a history: `at` (unix seconds), `event` (its kind), and its fields."""


class WorkflowIdInUse(Exception):
    """Another run holds the workflow id."""


class CancellableActivity(Protocol):
    """An activity in flight."""

    def cancel(self) -> None:
        """Resolve the activity as cancelled."""

    def abandon(self) -> None:
        """Stop waiting for the activity."""


@dataclass(eq=False)
class WorkflowRun:
    """One run of a workflow. `activations` are its activations with their completions, encoded, for replay.

    `jobs` wait for the next workflow task; `has_pending_task`: that task is scheduled. `original_run_id` is the id of
    the first run before resets, empty without a reset.
    """

    workflow_id: str
    run_id: str
    type: str
    argument: Any
    started_at: float
    original_run_id: str = ""
    jobs: list[WorkflowActivationJob] = field(default_factory=list)
    activations: list[tuple[bytes, bytes]] = field(default_factory=list)
    instance: WorkflowInstance | None = None
    timers: dict[int, asyncio.TimerHandle] = field(default_factory=dict)
    activities: dict[int, CancellableActivity] = field(default_factory=dict)
    history: list[Event] = field(default_factory=list)
    attributes: dict[str, str] = field(default_factory=dict)
    has_pending_task: bool = False
    closed_at: float | None = None
    status: str = "running"

    def to_row(self) -> Event:
        """Return the run as a row of the evidence."""
        return {
            "workflow_id": self.workflow_id,
            "run_id": self.run_id,
            "type": self.type,
            "input": self.argument if isinstance(self.argument, dict) else self.argument.model_dump(mode="json"),
            "started": self.started_at,
            "closed": self.closed_at,
            "status": self.status,
            "outcome": self.attributes.get(SearchAttribute.OUTCOME, ""),
            "events": self.history,
        }


class EngineServer(Protocol):
    """The methods of the engine that commands and activities use."""

    activities: Mapping[str, Callable[[Any], Awaitable[Any]]]
    lag: Callable[[], float]

    @property
    def now(self) -> float:
        """The server's time, unix seconds."""

    def start_workflow(self, kind: str, workflow_id: str, argument: Any) -> WorkflowRun:
        """Start a workflow, or raise WorkflowIdInUse."""

    def deliver_job(self, workflow_id: str, job: WorkflowActivationJob) -> bool:
        """Deliver an event to the run of the id; return False without a run."""

    def current_run_id(self, workflow_id: str) -> str:
        """Return the id of the run that holds the workflow id, empty without a run."""

    def add_job(self, run: WorkflowRun, job: WorkflowActivationJob) -> None:
        """Add an event to the run's next workflow task."""

    def record_event(self, run: WorkflowRun, event: str, **fields: Any) -> None:
        """Append an event to the run's history."""

    def close_run(self, run: WorkflowRun, status: str) -> None:
        """End a run and free its id."""

    def register_attempt(self, attempt: Any) -> None:
        """Keep a running attempt, so that its worker can be killed."""
