"""`mapek run`: run one cycle now."""

import asyncio
from typing import Annotated, Any

import typer
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowFailureError

from activities.model import identifiers
from activities.model.cycle import CycleResult
from activities.model.errors import FinalError, Unreachable
from activities.model.loop_state import LoopState, ManualCycleRequest
from activities.model.types import with_outcome_prefix
from worker.cli import output
from worker.cli.session import (
    CALL_TIMEOUT_SECONDS,
    RPC_TIMEOUT,
    JsonOption,
    LoopArgument,
    Session,
    async_command,
    current_session,
    no_worker_error,
)
from worker.temporal.intake import intake_options
from workflows.options import CYCLE_EXECUTION_TIMEOUT


@async_command
async def run_cycle(  # noqa: PLR0913 - a command's options are its parameters
    ctx: typer.Context,
    loop: LoopArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the cycle's result and print it.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Print each step when it starts, then the result.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Queue the request and return, also while no worker runs.")
    ] = False,
    key: Annotated[str, typer.Option(help="Requests with the same key run one cycle.")] = "",
    reason: Annotated[str, typer.Option(help="Reason of the request; shown in the Temporal UI.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Run one cycle of LOOP now and print its id."""
    session = current_session(ctx)
    settings = session.loop(loop)
    loop_state = LoopState(loop=settings.name, links=session.config.format_links(settings))
    if detach and (wait or follow):
        raise typer.BadParameter("--detach cannot be combined with --wait or --follow")
    if key and not identifiers.NAME_PATTERN.fullmatch(key):
        raise typer.BadParameter(f"invalid --key {key!r}: use a-z 0-9 . _ -; start with a letter or digit")
    async with session.connect_temporal() as client:
        if detach:
            return await _signal_cycle(client, loop_state, ManualCycleRequest(key=key, reason=reason))
        cycle_id = await _request_cycle(client, loop_state, ManualCycleRequest(key=key, reason=reason))
        if not as_json:
            output.print_line(cycle_id)
            output.print_status(session.workflow_url(cycle_id))
        result = await _wait_for_result(client, cycle_id, follow) if wait or follow else None
    _print_result(session, cycle_id, result, as_json)
    return None


async def _signal_cycle(client: Client, loop_state: LoopState, request: ManualCycleRequest) -> None:
    await client.start_workflow(
        identifiers.WorkflowName.LOOP,
        loop_state,
        **intake_options(loop_state.loop),
        start_signal="run_cycle",
        start_signal_args=[request],
        rpc_timeout=RPC_TIMEOUT,
    )
    output.print_status(
        f"request queued at {identifiers.loop_workflow_id(loop_state.loop)}; the cycle starts when a worker runs"
    )


async def _request_cycle(client: Client, loop_state: LoopState, request: ManualCycleRequest) -> str:
    """Return the id of the cycle once it has started.

    Raises:
        Unreachable: no worker accepted the request in time.
    """
    start: WithStartWorkflowOperation[Any, None] = WithStartWorkflowOperation(
        identifiers.WorkflowName.LOOP, loop_state, **intake_options(loop_state.loop)
    )
    try:
        async with asyncio.timeout(CALL_TIMEOUT_SECONDS):
            cycle_id = await client.execute_update_with_start_workflow(
                "request_cycle", request, start_workflow_operation=start, id=request.key or None, result_type=str
            )
    except TimeoutError:
        raise no_worker_error() from None
    return str(cycle_id)


async def _wait_for_result(client: Client, cycle_id: str, follow: bool) -> CycleResult:
    """Return the cycle's result. With `follow` print each step when it starts.

    Raises:
        FinalError: the cycle ended with an error.
        Unreachable: the cycle did not end in time.
    """
    handle = client.get_workflow_handle(cycle_id, result_type=CycleResult)
    if follow:
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                output.print_status(await _describe_step(client, event))
    try:
        with output.spinner(f"waiting for {cycle_id}"):
            async with asyncio.timeout(CYCLE_EXECUTION_TIMEOUT.total_seconds() + CALL_TIMEOUT_SECONDS):
                return CycleResult.model_validate(await handle.result())
    except WorkflowFailureError as error:
        raise FinalError(f"{cycle_id} failed: {error.cause}") from None
    except TimeoutError:
        raise Unreachable(f"{cycle_id} did not end in time: is a worker running? Run `mapek worker`") from None


async def _describe_step(client: Client, event: HistoryEvent) -> str:
    """Return the activity type and its summary."""
    name = event.activity_task_scheduled_event_attributes.activity_type.name
    if not event.user_metadata.HasField("summary"):
        return name
    summary = (await client.data_converter.decode([event.user_metadata.summary]))[0]
    return f"{name}: {summary}"


def _print_result(session: Session, cycle_id: str, result: CycleResult | None, as_json: bool) -> None:
    if as_json:
        body: dict[str, Any] = {"cycle": cycle_id, "link": session.workflow_url(cycle_id)}
        output.print_json(body | ({"result": result} if result else {}))
    elif result is not None:
        output.print_line(with_outcome_prefix(result.outcome, result.headline))
        for plan_id in result.plans:
            output.print_line(f"  plan {plan_id} (mapek explain {plan_id})")
