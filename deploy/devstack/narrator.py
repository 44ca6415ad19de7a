"""Follows a running stack and prints one line for each step of the loop."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import httpx
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from activities.model import identifiers
from activities.model.phase import Phase
from workflows import search_attributes

POLL_INTERVAL_SECONDS = 0.3
"""Time between two polls of Temporal and Charter."""


class EventKind(StrEnum):
    """The source of an event."""

    CYCLE = "cycle"
    PHASE = "phase"
    ENDED = "ended"
    EFFECT = "effect"


@dataclass(frozen=True)
class StackEvent:
    """One event; `elapsed_seconds` since the narrator started."""

    elapsed_seconds: float
    kind: EventKind
    summary: str
    knob: str = ""
    outcome: str = ""
    workflow_id: str = ""


@dataclass
class StackNarrator:
    """Polls cycles, remediations and Charter's ledger, and reports each step once."""

    client: Client
    charter_client: httpx.AsyncClient
    loop_name: str
    write_line: Callable[[str], None]
    started_at: float = field(default_factory=time.monotonic)
    events: list[StackEvent] = field(default_factory=list)
    last_states: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    ledger_offset: int = 0

    def elapsed_seconds(self) -> float:
        """Return the seconds since the narrator started."""
        return time.monotonic() - self.started_at

    def report(self, text: str) -> None:
        """Write a line with the elapsed seconds."""
        self.write_line(f"{self.elapsed_seconds():6.1f} s  {text}")

    async def wait_for_event(
        self, predicate: Callable[[StackEvent], bool], since: float, timeout_seconds: float
    ) -> StackEvent:
        """Return the first matching event at or after `since` (elapsed seconds); report all events meanwhile.

        Raises:
            TimeoutError: no event matched in time.
        """
        async with asyncio.timeout(timeout_seconds):
            while True:
                for event in self.events:
                    if event.elapsed_seconds >= since and predicate(event):
                        return event
                await self.poll()
                await asyncio.sleep(POLL_INTERVAL_SECONDS)

    async def poll(self) -> None:
        """Collect and report the events since the last poll."""
        for event in [*await self.fetch_workflow_events(), *await self.fetch_ledger_events()]:
            self.events.append(event)
            self.report(event.summary)

    async def fetch_workflow_events(self) -> list[StackEvent]:
        """Return the new events of cycles and remediations."""
        types = identifiers.type_query(identifiers.WorkflowName.CYCLE, *identifiers.REMEDIATION_TYPES)
        query = f'{search_attributes.LOOP.name}="{self.loop_name}" AND {types}'
        events: list[StackEvent] = []
        async for run in self.client.list_workflows(query, page_size=50, limit=50):
            state = (
                run.status,
                get_attribute_text(run, search_attributes.PHASE),
                get_attribute_text(run, search_attributes.OUTCOME),
            )
            key = (run.id, run.run_id)
            if self.last_states.get(key) != state:
                self.last_states[key] = state
                events += [event for event in [await self.build_workflow_event(run)] if event]
        return events[::-1]

    async def build_workflow_event(self, run: WorkflowExecution) -> StackEvent | None:
        """Return the event of a changed run; None if there is no news for the operator."""
        outcome, phase, knob = (
            get_attribute_text(run, search_attributes.OUTCOME),
            get_attribute_text(run, search_attributes.PHASE),
            get_attribute_text(run, search_attributes.KNOB),
        )
        if run.workflow_type == identifiers.WorkflowName.CYCLE:
            return None if run.status is WorkflowExecutionStatus.RUNNING else await self.build_cycle_event(run, outcome)
        if run.status is WorkflowExecutionStatus.RUNNING or phase == Phase.DONE:
            text = f"  {knob}: {phase}" + (f", outcome {outcome}" if outcome else "")
            kind = EventKind.ENDED if outcome else EventKind.PHASE
            return StackEvent(self.elapsed_seconds(), kind, text, knob=knob, outcome=outcome, workflow_id=run.id)
        return None

    async def build_cycle_event(self, run: WorkflowExecution, outcome: str) -> StackEvent:
        """Return the event of an ended cycle."""
        handle = self.client.get_workflow_handle(run.id, run_id=run.run_id)
        headline = (await handle.result()).get("headline", "") if outcome else f"failed: {run.status}"
        return StackEvent(
            self.elapsed_seconds(), EventKind.CYCLE, f"cycle: {headline}", outcome=outcome, workflow_id=run.id
        )

    async def fetch_ledger_events(self) -> list[StackEvent]:
        """Return Charter's effects since the last poll: the truth, independent of the loop."""
        rows = (await self.charter_client.get("/sim/ledger")).json()
        new_rows, self.ledger_offset = rows[self.ledger_offset :], len(rows)
        return [self.build_effect_event(row) for row in new_rows if row["key"]]

    def build_effect_event(self, row: dict[str, Any]) -> StackEvent:
        """Return the event of a row of the ledger."""
        text = f"  Charter: {row['effect']} {row['kind']} on {row['knob']}"
        return StackEvent(self.elapsed_seconds(), EventKind.EFFECT, text, knob=row["knob"], outcome=row["effect"])


def get_attribute_text(run: WorkflowExecution, key: Any) -> str:
    """Return a search attribute's text; empty if the run has none."""
    return str(run.typed_search_attributes.get(key) or "")
