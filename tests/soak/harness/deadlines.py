"""How long a soak waits: every call to Temporal has a bound, and whatever does not come to its end is named."""

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
"""In which the server answers one call. One that is killed in the middle of it never does."""
SERVER_OUTAGE_LIMIT_SECONDS = 45.0
"""Seconds in which a server that was killed on purpose is back, on a busy machine too."""


class SoakStalled(AssertionError):
    """Something did not come to its end; the text says what, and what everybody waits for."""


class RpcCall(Protocol):
    """What every call has."""

    rpc_timeout: timedelta | None


class RpcTimeoutInterceptor(Interceptor):
    """Gives every call a time-out."""

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
    """Return the first answer, however often has to be asked while the server is away.

    Raises:
        RPCError: it did not come back.
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
    """Bound a block. Raises: Stalled (it took longer; where every task of the soak stands is told before)."""
    telling = asyncio.get_running_loop().call_later(
        seconds, report_task_stacks, f"{description} took longer than {seconds:.0f} s"
    )
    try:
        # A moment more: once the block is cancelled, nothing stands where it stood.
        async with asyncio.timeout(seconds + 0.1):
            yield
    except TimeoutError:
        raise SoakStalled(f"{description} did not end within {seconds:.0f} s") from None
    finally:
        telling.cancel()


def report_task_stacks(description: str) -> None:
    """Print where every task of the soak stands."""
    places = sorted({place for place in map(format_task_stack, asyncio.all_tasks()) if "/tests/" in place})
    print("\n  ".join([f"{description}; everybody waits:", *places]), flush=True)


def format_task_stack(task: asyncio.Task[Any]) -> str:
    """Return where a task stands, from the outside in: `file:line name`, joined by arrows."""
    frames = []
    awaited: Any = task.get_coro()
    while awaited is not None:
        frame = first_attribute(awaited, "cr_frame", "gi_frame", "ag_frame")
        if frame is not None:
            frames.append(f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}")
        awaited = first_attribute(awaited, "cr_await", "gi_yieldfrom", "ag_await")
    return " → ".join(frames)


def first_attribute(value: Any, *attributes: str) -> Any:
    """Return the first of these attributes that is there and set, None if none is."""
    return next((found for name in attributes if (found := getattr(value, name, None)) is not None), None)
