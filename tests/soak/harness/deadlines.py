"""Time limits of a soak: every call to Temporal has one, and a block that exceeds its limit is reported."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from temporalio.client import (
    CancelWorkflowInput,
    DescribeWorkflowInput,
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    ListWorkflowsInput,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    TerminateWorkflowInput,
    WorkflowExecutionAsyncIterator,
    WorkflowExecutionDescription,
    WorkflowHandle,
    WorkflowHistoryEventAsyncIterator,
    WorkflowUpdateHandle,
)
from temporalio.service import RPCError

T = TypeVar("T")

RPC_TIMEOUT = timedelta(seconds=4)
"""The time-out of one call: a server that is killed during the call never answers."""
SERVER_OUTAGE_LIMIT_SECONDS = 45.0
"""Seconds until a killed server answers again, on a busy machine too."""


class SoakStalled(AssertionError):
    """A block exceeded its time limit; the text names it."""


class RpcCall(Protocol):
    """The common field of every call."""

    rpc_timeout: timedelta | None


class RpcTimeoutInterceptor(Interceptor):
    """Sets a time-out for every call."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        """Return the wrapper."""
        return _RpcTimeoutOutbound(next)


def set_rpc_timeout(call: RpcCall) -> None:
    """Set the time-out of a call that has none."""
    call.rpc_timeout = call.rpc_timeout or RPC_TIMEOUT


class _RpcTimeoutOutbound(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 - the SDK's name
        set_rpc_timeout(input)
        return await super().start_workflow(input)

    async def describe_workflow(self, input: DescribeWorkflowInput) -> WorkflowExecutionDescription:  # noqa: A002 - the SDK's name
        set_rpc_timeout(input)
        return await super().describe_workflow(input)

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:  # noqa: A002 - the SDK's name
        set_rpc_timeout(input)
        await super().cancel_workflow(input)

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:  # noqa: A002 - the SDK's name
        set_rpc_timeout(input)
        await super().terminate_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002 - the SDK's name
        set_rpc_timeout(input)
        await super().signal_workflow(input)

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:  # noqa: A002 - the SDK's name
        set_rpc_timeout(input)
        return super().list_workflows(input)

    def fetch_workflow_history_events(
        self,
        input: FetchWorkflowHistoryEventsInput,  # noqa: A002 - the SDK's name
    ) -> WorkflowHistoryEventAsyncIterator:
        set_rpc_timeout(input)
        return super().fetch_workflow_history_events(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002 - the SDK's name
        set_rpc_timeout(input)
        return await super().start_workflow_update(input)


async def retry_while_unavailable(call: Callable[[], Awaitable[T]]) -> T:
    """Return the first answer, with retries while the server is unavailable.

    Raises:
        RPCError: the server was unavailable for longer than the limit.
    """
    until = time.monotonic() + SERVER_OUTAGE_LIMIT_SECONDS
    while True:
        try:
            return await call()
        except RPCError:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(0.3)


@asynccontextmanager
async def time_limit(description: str, seconds: float) -> AsyncIterator[None]:
    """Limit a block. Raises: SoakStalled (it took longer; the stacks of all tasks of the soak are printed before)."""
    timer = asyncio.get_running_loop().call_later(
        seconds, report_task_stacks, f"{description} took longer than {seconds:.0f} s"
    )
    try:
        # Slightly later than the report: a cancellation changes the stacks.
        async with asyncio.timeout(seconds + 0.1):
            yield
    except TimeoutError:
        raise SoakStalled(f"{description} did not end within {seconds:.0f} s") from None
    finally:
        timer.cancel()


def report_task_stacks(description: str) -> None:
    """Print the stack of every task of the soak."""
    stacks = sorted({stack for stack in map(format_task_stack, asyncio.all_tasks()) if "/tests/" in stack})
    print("\n  ".join([f"{description}; tasks:", *stacks]), flush=True)


def format_task_stack(task: asyncio.Task[Any]) -> str:
    """Return the stack of a task, outermost first: `file:line name`, joined by arrows."""
    frames = []
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = first_attribute(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            frames.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        awaited = first_attribute(awaited, "cr_await", "gi_yieldfrom", "ag_await")
    return " → ".join(frames)


def first_attribute(value: Any, *attributes: str) -> Any:
    """Return the first of these attributes that is not None, else None."""
    values = (getattr(value, name, None) for name in attributes)
    return next((attribute for attribute in values if attribute is not None), None)
