"""The schedules of a loop as they should be: its cycles, and half a period later its upkeep."""

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
from activities.model.intake import UpkeepRequest
from workflows import options, search_attributes
from workflows.search_attributes import build_search_attributes

CATCH_UP_WINDOW = timedelta(seconds=60)
"""Ten seconds were measured to lose ticks when the server is busy; under SKIP a longer window starts no flood."""


@dataclass(frozen=True)
class LoopSchedule:
    """What a loop's schedules need. `interval` is in whole seconds; `links` is Markdown for the Temporal UI."""

    loop: str
    interval: int
    links: str = ""

    @property
    def offset(self) -> int:
        """Seconds of the interval at which this loop ticks: hashed from its name, so that loops do not tick at once."""
        return int.from_bytes(hashlib.sha256(self.loop.encode()).digest()[:4], "big") % self.interval

    @property
    def upkeep_offset(self) -> int:
        """Seconds of the interval at which its upkeep ticks: half an interval off the cycles."""
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
    """Return a schedule that drops a tick while the run before it is still open, and never pauses itself."""
    # The server tells an offset of zero as none: given as zero the schedule would look changed to every bootstrap.
    phase = timedelta(seconds=offset) or None
    return Schedule(
        action=action,
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(seconds=interval), offset=phase)]),
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP_WINDOW, pause_on_failure=False
        ),
    )
