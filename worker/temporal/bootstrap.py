"""`mapek bootstrap`: what has to exist at Temporal before a loop can run. Doing it twice changes nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeNamespaceResponse,
    RegisterNamespaceRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionStatus,
)
from temporalio.common import SearchAttributeKey, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from activities.model import identifiers
from activities.model.intake import LoopState
from worker.temporal.schedules import LoopSchedule, cycle_schedule, upkeep_schedule, upkeep_schedule_id
from workflows import search_attributes
from workflows.search_attributes import build_search_attributes

DEFAULT_RETENTION_DAYS = 7
"""Days a namespace made here keeps histories: as long as snapshots, so that a decision can be seen whole."""
RPC_TIMEOUT = timedelta(seconds=10)
"""For one call, its retries included: registering an attribute takes seconds, a server that is away is told of."""
NAMESPACE_READY_TIMEOUT_SECONDS = 30.0
"""Seconds in which every part of a server knows a new namespace and its search attributes."""
NOT_READY_STATUSES = (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)
"""What a part answers that does not know them yet."""


@dataclass(frozen=True)
class PendingChange:
    """One thing at Temporal that is not as it should be: what would be said once it is `made`."""

    summary: str
    apply: Callable[[], Awaitable[object]]


async def bootstrap(client: Client, loops: list[LoopSchedule], retention_days: int | None = None) -> list[str]:
    """Make everything as it should be, and return a line for each thing that was changed, none if all was.

    The namespace is made if there is none; then come the search attributes, every loop's schedules, whose pause and
    note by an operator are kept, and its intake. `retention_days` as in `differences`.
    """
    new = await describe_namespace(client) is None
    changes = await find_changes(client, loops, retention_days)
    for change in changes:
        await (apply_with_retry(change) if new else change.apply())
    return [change.summary for change in changes]


async def find_changes(
    client: Client, loops: list[LoopSchedule], retention_days: int | None = None
) -> list[PendingChange]:
    """Return what is not as it should be, in the order in which it has to be made; nothing is changed by asking.

    `retention_days` is how long the namespace has to keep histories; None leaves that to whoever made it, and a new
    namespace keeps them for 7 days.
    """
    found = await describe_namespace(client)
    changes = namespace_changes(client, found, retention_days)
    absent = await missing_search_attributes(client) if found else search_attributes.SEARCH_ATTRIBUTES
    if absent:
        listed = ", ".join(key.name for key in absent)
        changes.append(
            PendingChange(f"search attributes registered: {listed}", partial(register_search_attributes, client))
        )
    for loop in loops:
        for schedule_id, schedule in (
            (identifiers.schedule_id(loop.loop), cycle_schedule(loop)),
            (upkeep_schedule_id(loop), upkeep_schedule(loop)),
        ):
            changes += await schedule_changes(client, schedule_id, schedule)
        changes += await intake_changes(client, loop)
    return changes


async def describe_namespace(client: Client) -> DescribeNamespaceResponse | None:
    """Return the client's namespace, None if there is none."""
    try:
        return await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def namespace_changes(
    client: Client, current: DescribeNamespaceResponse | None, retention_days: int | None
) -> list[PendingChange]:
    """Return what has to be done about the namespace."""
    name = client.namespace
    kept = Duration()
    kept.FromTimedelta(timedelta(days=retention_days or DEFAULT_RETENTION_DAYS))
    if current is None:
        made = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=kept)
        create_it = partial(client.workflow_service.register_namespace, made, timeout=RPC_TIMEOUT)
        return [
            PendingChange(
                f"namespace {name} created, histories are kept {retention_days or DEFAULT_RETENTION_DAYS} days",
                create_it,
            )
        ]
    if retention_days is None or current.config.workflow_execution_retention_ttl == kept:
        return []
    config = NamespaceConfig(workflow_execution_retention_ttl=kept)
    wanted = UpdateNamespaceRequest(namespace=name, config=config)
    update_it = partial(client.workflow_service.update_namespace, wanted, timeout=RPC_TIMEOUT)
    return [PendingChange(f"namespace {name}: histories are kept {retention_days} days", update_it)]


async def schedule_changes(client: Client, schedule_id: str, desired: Schedule) -> list[PendingChange]:
    """Return what has to be done about a schedule, its state (pause, note) left aside."""
    handle = client.get_schedule_handle(schedule_id)
    try:
        found = await handle.describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return [PendingChange(f"schedule {schedule_id} created", lambda: create_schedule(client, schedule_id, desired))]
    if await schedule_matches(client, found, desired):
        return []
    update_it = partial(handle.update, lambda it: keep_schedule_state(it, desired), rpc_timeout=RPC_TIMEOUT)
    return [PendingChange(f"schedule {schedule_id} updated", update_it)]


async def create_schedule(client: Client, schedule_id: str, desired: Schedule) -> None:
    """Create a schedule; what another bootstrap made in the same moment is as good."""
    with suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(schedule_id, desired, rpc_timeout=RPC_TIMEOUT)


async def apply_with_retry(change: PendingChange) -> None:
    """Make a change in a namespace that was just made: not every part of the server knows it at once."""
    until = time.monotonic() + NAMESPACE_READY_TIMEOUT_SECONDS
    while True:
        try:
            await change.apply()
        except RPCError as error:
            if error.status not in NOT_READY_STATUSES or time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def intake_changes(client: Client, loop: LoopSchedule) -> list[PendingChange]:
    """Return the loop's intake if it does not run: without it a plain signal finds nobody."""
    intake = identifiers.loop_workflow_id(loop.loop)
    try:
        found = await client.get_workflow_handle(intake).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
    else:
        if found.status is WorkflowExecutionStatus.RUNNING:
            return []
    return [PendingChange(f"intake {intake} started", lambda: start_intake(client, loop))]


async def start_intake(client: Client, loop: LoopSchedule) -> None:
    """Start the loop's intake unless it runs."""
    await client.start_workflow(
        identifiers.WorkflowName.LOOP,
        LoopState(loop=loop.loop, links=loop.links),
        id=identifiers.loop_workflow_id(loop.loop),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        task_queue=identifiers.TASK_QUEUE,
        static_summary=f"asks for cycles of {loop.loop}: signal run_cycle, update request_cycle",
        search_attributes=build_search_attributes({search_attributes.LOOP: loop.loop}),
        rpc_timeout=RPC_TIMEOUT,
    )


async def missing_search_attributes(client: Client) -> list[SearchAttributeKey[Any]]:
    """Return the search attributes that are not registered in the client's namespace."""
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
    )
    return [key for key in search_attributes.SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]


async def register_search_attributes(client: Client) -> None:
    """Register the missing search attributes."""
    wanted = await missing_search_attributes(client)
    if wanted:
        kinds = {key.name: cast(Any, key.indexed_value_type) for key in wanted}
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=kinds), timeout=RPC_TIMEOUT
        )


async def schedule_matches(client: Client, current: ScheduleDescription, desired: Schedule) -> bool:
    """Tell whether a schedule is as wanted, its state (pause, note) left aside."""
    there, here = current.schedule.action, desired.action
    if not (isinstance(there, ScheduleActionStartWorkflow) and isinstance(here, ScheduleActionStartWorkflow)):
        return False
    # Decoded, since an encrypted argument looks different each time.
    given = [argument for argument in there.args if isinstance(argument, Payload)]
    arguments = await client.data_converter.decode(given, [type(argument) for argument in here.args])
    return (
        arguments == list(here.args)
        and (there.workflow, there.id, there.task_queue) == (here.workflow, here.id, here.task_queue)
        and there.execution_timeout == here.execution_timeout
        and current.schedule.spec.intervals == desired.spec.intervals
        and current.schedule.policy == desired.policy
    )


def keep_schedule_state(current: ScheduleUpdateInput, desired: Schedule) -> ScheduleUpdate:
    """Return the wanted schedule with an operator's pause and note kept."""
    return ScheduleUpdate(schedule=replace(desired, state=current.description.schedule.state))
