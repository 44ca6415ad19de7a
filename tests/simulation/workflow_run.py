"""A run of a workflow, and what of the engine its commands and activities need."""

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
"""What a history keeps of an event: `at` (unix seconds), `event`, and what belongs to it."""


class WorkflowIdInUse(Exception):
    """The id is held by another run."""


class CancellableActivity(Protocol):
    """An activity that is under way."""

    def cancel(self) -> None:
        """Tell the attempt that nobody waits any more."""


@dataclass(eq=False)
class WorkflowRun:
    """One run of a workflow. `told` are its activations with the commands it answered, for replay.

    `jobs` wait for the next workflow task; `waking` says that one is due. `original` is the id of the run it was reset
    from at first, empty for one that was not.
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
        """Return the run as the checker reads it."""
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
    """What commands and activities ask of the engine."""

    activities: Mapping[str, Callable[[Any], Awaitable[Any]]]
    lag: Callable[[], float]

    @property
    def now(self) -> float:
        """The server's time, unix seconds."""

    def start_workflow(self, kind: str, workflow_id: str, argument: Any) -> WorkflowRun:
        """Start a workflow. Raises: AlreadyRunning."""

    def deliver_job(self, workflow_id: str, job: WorkflowActivationJob) -> bool:
        """Give an event to whatever runs under the id; False if nothing does."""

    def current_run_id(self, workflow_id: str) -> str:
        """Return the id of the run that holds the workflow id, empty if nothing does."""

    def add_job(self, run: WorkflowRun, job: WorkflowActivationJob) -> None:
        """Add an event to the run's next workflow task."""

    def record_event(self, run: WorkflowRun, event: str, **fields: Any) -> None:
        """Write an event into the run's history."""

    def close_run(self, run: WorkflowRun, status: str) -> None:
        """End a run and free its id."""

    def register_attempt(self, attempt: Any) -> None:
        """Remember an attempt that runs, so that its worker can die."""
