"""`mapek bootstrap`: creation of everything at Temporal that a loop needs. A second run changes nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from google.protobuf.duration_pb2 import Duration
from temporalio.api.common.v1 import Payload
from temporalio.api.namespace.v1 import NamespaceConfig
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
from temporalio.service import RPCError, RPCStatusCode

from activities.model import identifiers
from activities.model.loop_state import LoopState
from worker.temporal.attribute_registration import (
    RPC_TIMEOUT,
    find_missing_attributes,
    register_missing_attributes,
)
from worker.temporal.intake import intake_options
from worker.temporal.rpc import none_if_missing
from worker.temporal.schedules import LoopSchedule, cycle_schedule, upkeep_schedule, upkeep_schedule_id
from workflows.search_attributes import SEARCH_ATTRIBUTES

DEFAULT_RETENTION_DAYS = 7
"""Days that a namespace created here keeps histories: as long as snapshots, so that a decision stays complete."""
NAMESPACE_READY_TIMEOUT_SECONDS = 30.0
"""Seconds until every service of a server knows a new namespace and its search attributes."""
NOT_READY_STATUSES = (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT)
"""Answers of a service that does not know them yet."""


@dataclass(frozen=True)
class PendingChange:
    """A difference between Temporal and the configuration: its summary, in past tense, and its fix."""

    summary: str
    apply: Callable[[], Awaitable[object]]


async def bootstrap(client: Client, loops: list[LoopSchedule], retention_days: int | None = None) -> list[str]:
    """Apply all pending changes and return their summaries.

    The order is: namespace, search attributes, and for each loop its schedules and its intake. A schedule keeps pause
    and note of an operator. `retention_days` is as in `find_changes`.
    """
    is_new = await describe_namespace(client) is None
    changes = await find_changes(client, loops, retention_days)
    for change in changes:
        await (apply_with_retry(change) if is_new else change.apply())
    return [change.summary for change in changes]


async def find_changes(
    client: Client, loops: list[LoopSchedule], retention_days: int | None = None
) -> list[PendingChange]:
    """Return the pending changes in the order of their application, without applying them.

    `retention_days` is how long the namespace keeps histories. None keeps the present retention; a new namespace then
    gets 7 days.
    """
    namespace = await describe_namespace(client)
    changes = namespace_changes(client, namespace, retention_days)
    missing = await find_missing_attributes(client) if namespace else SEARCH_ATTRIBUTES
    if missing:
        keys = ", ".join(key.name for key in missing)
        changes.append(
            PendingChange(f"search attributes registered: {keys}", partial(register_missing_attributes, client))
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
    """Return the client's namespace, None if it does not exist."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    return await none_if_missing(client.workflow_service.describe_namespace(request, timeout=RPC_TIMEOUT))


def namespace_changes(
    client: Client, current: DescribeNamespaceResponse | None, retention_days: int | None
) -> list[PendingChange]:
    """Return the pending changes of the namespace."""
    name = client.namespace
    days = retention_days or DEFAULT_RETENTION_DAYS
    retention = Duration()
    retention.FromTimedelta(timedelta(days=days))
    if current is None:
        register = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
        apply = partial(client.workflow_service.register_namespace, register, timeout=RPC_TIMEOUT)
        return [PendingChange(f"namespace {name} created, histories are kept {days} days", apply)]
    if retention_days is None or current.config.workflow_execution_retention_ttl == retention:
        return []
    config = NamespaceConfig(workflow_execution_retention_ttl=retention)
    update = UpdateNamespaceRequest(namespace=name, config=config)
    apply_update = partial(client.workflow_service.update_namespace, update, timeout=RPC_TIMEOUT)
    return [PendingChange(f"namespace {name}: histories are kept {days} days", apply_update)]


async def schedule_changes(client: Client, schedule_id: str, desired: Schedule) -> list[PendingChange]:
    """Return the pending change of a schedule, if any; its state (pause, note) is not compared."""
    handle = client.get_schedule_handle(schedule_id)
    current = await none_if_missing(handle.describe(rpc_timeout=RPC_TIMEOUT))
    if current is None:
        return [PendingChange(f"schedule {schedule_id} created", lambda: create_schedule(client, schedule_id, desired))]
    if await schedule_matches(client, current, desired):
        return []
    apply = partial(handle.update, lambda update: keep_schedule_state(update, desired), rpc_timeout=RPC_TIMEOUT)
    return [PendingChange(f"schedule {schedule_id} updated", apply)]


async def create_schedule(client: Client, schedule_id: str, desired: Schedule) -> None:
    """Create a schedule, unless another bootstrap has just created it."""
    with suppress(ScheduleAlreadyRunningError):
        await client.create_schedule(schedule_id, desired, rpc_timeout=RPC_TIMEOUT)


async def apply_with_retry(change: PendingChange) -> None:
    """Apply a change in a new namespace, with retries until every service of the server knows the namespace."""
    deadline = time.monotonic() + NAMESPACE_READY_TIMEOUT_SECONDS
    while True:
        try:
            await change.apply()
        except RPCError as error:
            if error.status not in NOT_READY_STATUSES or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return


async def intake_changes(client: Client, loop: LoopSchedule) -> list[PendingChange]:
    """Return the start of the loop's intake if it is not running. A plain signal needs a running intake."""
    workflow_id = identifiers.loop_workflow_id(loop.loop)
    description = await none_if_missing(client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT))
    if description is not None and description.status is WorkflowExecutionStatus.RUNNING:
        return []
    return [PendingChange(f"intake {workflow_id} started", lambda: start_intake(client, loop))]


async def start_intake(client: Client, loop: LoopSchedule) -> None:
    """Start the loop's intake unless it is running."""
    await client.start_workflow(
        identifiers.WorkflowName.LOOP,
        LoopState(loop=loop.loop, links=loop.links),
        **intake_options(loop.loop),
        rpc_timeout=RPC_TIMEOUT,
    )


async def schedule_matches(client: Client, current: ScheduleDescription, desired: Schedule) -> bool:
    """Return whether a schedule is as desired; its state (pause, note) is not compared."""
    action, target = current.schedule.action, desired.action
    if not (isinstance(action, ScheduleActionStartWorkflow) and isinstance(target, ScheduleActionStartWorkflow)):
        return False
    # Encryption makes an argument differ at each encoding, so the decoded arguments are compared.
    payloads = [argument for argument in action.args if isinstance(argument, Payload)]
    arguments = await client.data_converter.decode(payloads, [type(argument) for argument in target.args])
    return (
        arguments == list(target.args)
        and (action.workflow, action.id, action.task_queue) == (target.workflow, target.id, target.task_queue)
        and action.execution_timeout == target.execution_timeout
        and current.schedule.spec.intervals == desired.spec.intervals
        and current.schedule.policy == desired.policy
    )


def keep_schedule_state(current: ScheduleUpdateInput, desired: Schedule) -> ScheduleUpdate:
    """Return the desired schedule with the pause and note of the present one."""
    return ScheduleUpdate(schedule=replace(desired, state=current.description.schedule.state))
