"""The desired schedules of a loop: its cycles, and its upkeep half a period later."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from activities.model import identifiers
from activities.model.cycle import CycleRequest, Trigger
from activities.model.upkeep import UpkeepRequest
from workflows import options, search_attributes
from workflows.search_attributes import build_search_attributes

CATCH_UP_WINDOW = timedelta(seconds=60)
"""Ten seconds lost ticks on a busy server (measured). Under SKIP a longer window starts no more cycles."""


@dataclass(frozen=True)
class LoopSchedule:
    """The input of a loop's schedules. `interval` is in whole seconds; `links` is Markdown for the Temporal UI."""

    loop: str
    interval: int
    links: str = ""

    @property
    def offset(self) -> int:
        """Seconds into the interval at which cycles start: a hash of the name, so that loops do not start together."""
        return int.from_bytes(hashlib.sha256(self.loop.encode()).digest()[:4], "big") % self.interval

    @property
    def upkeep_offset(self) -> int:
        """Seconds into the interval at which upkeep starts: half an interval after the cycles."""
        return (self.offset + self.interval // 2) % self.interval


def upkeep_schedule_id(loop: LoopSchedule) -> str:
    """Return the id of the loop's upkeep schedule and the prefix of its runs."""
    return identifiers.upkeep_schedule_id(loop.loop)


def cycle_schedule(loop: LoopSchedule) -> Schedule:
    """Return the schedule that starts the loop's cycles."""
    action = ScheduleActionStartWorkflow(
        identifiers.WorkflowName.CYCLE,
        CycleRequest(loop=loop.loop, links=loop.links),
        id=identifiers.cycle_prefix(loop.loop),
        task_queue=identifiers.TASK_QUEUE,
        execution_timeout=options.CYCLE_EXECUTION_TIMEOUT,
        static_summary=f"cycle of {loop.loop}",
        static_details=loop.links or None,
        typed_search_attributes=build_search_attributes(
            {search_attributes.LOOP: loop.loop, search_attributes.TRIGGER: Trigger.SCHEDULE}
        ),
    )
    return interval_schedule(loop.interval, loop.offset, action)


def upkeep_schedule(loop: LoopSchedule) -> Schedule:
    """Return the schedule that starts the loop's upkeep."""
    action = ScheduleActionStartWorkflow(
        identifiers.WorkflowName.UPKEEP,
        UpkeepRequest(loop=loop.loop),
        id=upkeep_schedule_id(loop),
        task_queue=identifiers.TASK_QUEUE,
        execution_timeout=options.CYCLE_EXECUTION_TIMEOUT,
        static_summary=f"upkeep of {loop.loop}",
        typed_search_attributes=build_search_attributes({search_attributes.LOOP: loop.loop}),
    )
    return interval_schedule(loop.interval, loop.upkeep_offset, action)


def interval_schedule(interval: int, offset: int, action: ScheduleActionStartWorkflow) -> Schedule:
    """Return a schedule that skips a tick while the previous run is open, and never pauses itself."""
    # The server returns an offset of zero as None, so zero would look like a change to every bootstrap.
    phase = timedelta(seconds=offset) or None
    return Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=interval), offset=phase)]),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP_WINDOW, pause_on_failure=False
        ),
    )
