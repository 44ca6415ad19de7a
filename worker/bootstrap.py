"""`mapek bootstrap`: what has to exist at Temporal before a loop can run. Doing it twice changes nothing."""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast

from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.model.cycle import CycleRequest
from activities.model.intake import LoopState, UpkeepRequest
from workflows import names, options
from workflows.attributes import attributes

CATCH_UP = timedelta(seconds=60)
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


async def bootstrap(client: Client, loops: list[LoopSchedule]) -> list[str]:
    """Register the search attributes, create or update every loop's schedules, and open its intake.

    An operator's pause and note are kept. Returns a line for each thing that was changed, none if all was as it should.
    """
    done = [f"search attribute {name} registered" for name in await register(client)]
    for loop in loops:
        for schedule_id, schedule in ((names.schedule_id(loop.loop), cycles(loop)), (upkeep_id(loop), upkeep(loop))):
            change = await apply(client, schedule_id, schedule)
            done += [change] if change else []
        done += await open_intake(client, loop)
    return done


async def open_intake(client: Client, loop: LoopSchedule) -> list[str]:
    """Start the loop's intake unless it runs, so that a plain signal finds it. Return what was changed."""
    intake = names.intake_id(loop.loop)
    try:
        await client.start_workflow(
            "MapekLoop",
            LoopState(loop=loop.loop, links=loop.links),
            id=intake,
            task_queue=names.QUEUE,
            static_summary=f"asks for cycles of {loop.loop}: signal run_cycle, update request_cycle",
            search_attributes=attributes({names.LOOP: loop.loop}),
        )
    except WorkflowAlreadyStartedError:
        return []
    return [f"intake {intake} started"]


async def missing(client: Client) -> list[SearchAttributeKey[Any]]:
    """Return the search attributes that are not registered in the client's namespace."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return [key for key in names.SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]


async def register(client: Client) -> list[str]:
    """Register the missing search attributes and return their names."""
    wanted = await missing(client)
    if wanted:
        kinds = {key.name: cast(Any, key.indexed_value_type) for key in wanted}
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=kinds)
        )
    return [key.name for key in wanted]


def upkeep_id(loop: LoopSchedule) -> str:
    """Return the id of the loop's upkeep schedule and the prefix of its runs."""
    return names.upkeep_schedule_id(loop.loop)


def cycles(loop: LoopSchedule) -> Schedule:
    """Return the schedule that starts the loop's cycles."""
    action = ScheduleActionStartWorkflow(
        "MapekCycle",
        CycleRequest(loop=loop.loop, links=loop.links),
        id=names.cycle_prefix(loop.loop),
        task_queue=names.QUEUE,
        execution_timeout=options.CYCLE_LIMIT,
        static_summary=f"cycle of {loop.loop}",
        static_details=loop.links or None,
        typed_search_attributes=attributes({names.LOOP: loop.loop, names.TRIGGER: "schedule"}),
    )
    return every(loop.interval, loop.offset, action)


def upkeep(loop: LoopSchedule) -> Schedule:
    """Return the schedule that starts the loop's upkeep."""
    action = ScheduleActionStartWorkflow(
        "MapekUpkeep",
        UpkeepRequest(loop=loop.loop),
        id=upkeep_id(loop),
        task_queue=names.QUEUE,
        execution_timeout=options.CYCLE_LIMIT,
        static_summary=f"upkeep of {loop.loop}",
        typed_search_attributes=attributes({names.LOOP: loop.loop}),
    )
    return every(loop.interval, loop.upkeep_offset, action)


def every(interval: int, offset: int, action: ScheduleActionStartWorkflow) -> Schedule:
    """Return a schedule that drops a tick while the run before it is still open, and never pauses itself."""
    return Schedule(
        action=action,
        spec=ScheduleSpec(
            intervals=[ScheduleIntervalSpec(every=timedelta(seconds=interval), offset=timedelta(seconds=offset))]
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP, pause_on_failure=False),
    )


async def apply(client: Client, schedule_id: str, wanted: Schedule) -> str:
    """Create the schedule, or bring it to what is wanted. Return what was changed, empty if nothing was."""
    try:
        await client.create_schedule(schedule_id, wanted)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(schedule_id)
        if await same(client, await handle.describe(), wanted):
            return ""
        await handle.update(lambda found: with_state_of(found, wanted))
        return f"schedule {schedule_id} updated"
    return f"schedule {schedule_id} created"


async def same(client: Client, found: ScheduleDescription, wanted: Schedule) -> bool:
    """Tell whether a schedule is as wanted, its state (pause, note) left aside."""
    there, here = found.schedule.action, wanted.action
    if not (isinstance(there, ScheduleActionStartWorkflow) and isinstance(here, ScheduleActionStartWorkflow)):
        return False
    arguments = [payload.data for payload in await client.data_converter.encode(list(here.args))]
    return (
        [getattr(argument, "data", None) for argument in there.args] == arguments
        and (there.workflow, there.id, there.task_queue) == (here.workflow, here.id, here.task_queue)
        and there.execution_timeout == here.execution_timeout
        and found.schedule.spec.intervals == wanted.spec.intervals
        and found.schedule.policy == wanted.policy
    )


def with_state_of(found: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate:
    """Return the wanted schedule with an operator's pause and note kept."""
    return ScheduleUpdate(schedule=replace(wanted, state=found.description.schedule.state))
