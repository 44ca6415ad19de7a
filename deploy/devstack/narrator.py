"""Follows a running stack and tells, line by line, what the loop does."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus

from workflows import names

POLL = 0.3
"""Seconds between two looks at Temporal and Charter."""


@dataclass(frozen=True)
class Event:
    """One thing that happened. `at` is seconds since the story began; `kind` is cycle, phase, ended or effect."""

    at: float
    kind: str
    text: str
    knob: str = ""
    outcome: str = ""
    workflow_id: str = ""


@dataclass
class Story:
    """Watches cycles, remediations and Charter's ledger, and says each step once."""

    client: Client
    charter: httpx.AsyncClient
    loop: str
    say: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)
    events: list[Event] = field(default_factory=list)
    seen: dict[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    effects: int = 0

    def now(self) -> float:
        """Return seconds since the story began."""
        return time.monotonic() - self.began

    def tell(self, text: str) -> None:
        """Say a line with the time it happened."""
        self.say(f"{self.now():6.1f} s  {text}")

    async def until(self, wanted: Callable[[Event], bool], since: float, within: float) -> Event:
        """Return the first wanted event at or after `since` (seconds of the story), telling all that happens meanwhile.

        Raises:
            TimeoutError: it did not happen within so many seconds.
        """
        async with asyncio.timeout(within):
            while True:
                for event in self.events:
                    if event.at >= since and wanted(event):
                        return event
                await self.look()
                await asyncio.sleep(POLL)

    async def look(self) -> None:
        """Take in what happened since the last look."""
        for event in [*await self.workflows(), *await self.ledger()]:
            self.events.append(event)
            self.tell(event.text)

    async def workflows(self) -> list[Event]:
        """Return what is new of cycles and remediations."""
        query = f'{names.LOOP.name}="{self.loop}" AND WorkflowType IN ("MapekCycle", "Remediation")'
        found = []
        async for run in self.client.list_workflows(query, page_size=50, limit=50):
            state = (run.status, value(run, names.PHASE), value(run, names.OUTCOME))
            key = (run.id, run.run_id)
            if self.seen.get(key) != state:
                self.seen[key] = state
                found += [event for event in [await self.event_of(run)] if event]
        return list(reversed(found))

    async def event_of(self, run: WorkflowExecution) -> Event | None:
        """Return what a changed run tells, None where that is nothing new for a person."""
        outcome, phase, knob = value(run, names.OUTCOME), value(run, names.PHASE), value(run, names.KNOB)
        if run.workflow_type == "MapekCycle":
            return None if run.status is WorkflowExecutionStatus.RUNNING else await self.cycle(run, outcome)
        if run.status is WorkflowExecutionStatus.RUNNING or phase == "done":
            text = f"  {knob}: {phase}" + (f", outcome {outcome}" if outcome else "")
            kind = "ended" if outcome else "phase"
            return Event(self.now(), kind, text, knob=knob, outcome=outcome, workflow_id=run.id)
        return None

    async def cycle(self, run: WorkflowExecution, outcome: str) -> Event:
        """Return what an ended cycle tells."""
        handle = self.client.get_workflow_handle(run.id, run_id=run.run_id)
        headline = (await handle.result()).get("headline", "") if outcome else f"failed: {run.status}"
        return Event(self.now(), "cycle", f"cycle: {headline}", outcome=outcome, workflow_id=run.id)

    async def ledger(self) -> list[Event]:
        """Return what Charter did since the last look: the truth, whatever the loop believes."""
        rows = (await self.charter.get("/sim/ledger")).json()
        news, self.effects = rows[self.effects :], len(rows)
        return [self.effect(row) for row in news if row["key"]]

    def effect(self, row: dict[str, Any]) -> Event:
        """Return what a row of the ledger tells."""
        text = f"  Charter: {row['effect']} {row['kind']} on {row['knob']}"
        return Event(self.now(), "effect", text, knob=row["knob"], outcome=row["effect"])


def value(run: WorkflowExecution, key: Any) -> str:
    """Return a search attribute's text, empty if the run has none."""
    return str(run.typed_search_attributes.get(key) or "")
