"""`mapek run`: a cycle now."""

import asyncio
from typing import Annotated, Any

import typer
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy

from activities.model.cycle import CycleResult
from activities.model.errors import FinalError, Unreachable
from activities.model.intake import Ask, LoopState
from activities.model.types import headed
from worker.cli import output
from worker.cli.session import CALL_SECONDS, RPC, AsJson, LoopName, Session, of, verb
from workflows import names
from workflows.options import CYCLE_LIMIT
from workflows.search_attributes import attributes


@verb
async def run(  # noqa: PLR0913 - a command's options are its parameters
    ctx: typer.Context,
    loop: LoopName,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the cycle's result and print it.")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Print each step as it begins, then the result.")] = False,
    signal: Annotated[bool, typer.Option("--signal", help="Only hand the wish over, even if no worker runs.")] = False,
    key: Annotated[str, typer.Option(help="The same key is the same cycle.")] = "",
    reason: Annotated[str, typer.Option(help="Who or what asked; shown in the Temporal UI.")] = "",
    as_json: AsJson = False,
) -> None:
    """Run a cycle of LOOP now and print its id."""
    session = of(ctx)
    settings = session.loop(loop)
    intake = LoopState(loop=settings.name, links=session.config.links_of(settings))
    if signal and (wait or follow):
        raise typer.BadParameter("--signal only hands the wish over: there is nothing to wait for")
    if key and not names.NAME.fullmatch(key):
        raise typer.BadParameter(
            f"{key!r} is no key: lower-case letters, digits, . _ and -, beginning with one of the first two"
        )
    async with session.temporal() as client:
        if signal:
            return await _hand_over(client, intake, Ask(key=key, reason=reason))
        cycle_id = await _request(client, intake, Ask(key=key, reason=reason))
        if not as_json:
            output.line(cycle_id)
            output.note(session.link(cycle_id))
        result = await _result(client, cycle_id, follow) if wait or follow else None
    _print(session, cycle_id, result, as_json)
    return None


async def _hand_over(client: Client, intake: LoopState, ask: Ask) -> None:
    await client.start_workflow(
        "MapekLoop",
        intake,
        id=names.intake_id(intake.loop),
        task_queue=names.QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        start_signal="run_cycle",
        start_signal_args=[ask],
        search_attributes=attributes({names.LOOP: intake.loop}),
        rpc_timeout=RPC,
    )
    output.note(f"handed over to {names.intake_id(intake.loop)}; the cycle starts as soon as a worker runs")


async def _request(client: Client, intake: LoopState, ask: Ask) -> str:
    """Return the id of the cycle once it is started.

    Raises:
        Unreachable: no worker took it up in time.
    """
    start: WithStartWorkflowOperation[Any, None] = WithStartWorkflowOperation(
        "MapekLoop",
        intake,
        id=names.intake_id(intake.loop),
        task_queue=names.QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        search_attributes=attributes({names.LOOP: intake.loop}),
    )
    try:
        async with asyncio.timeout(CALL_SECONDS):
            cycle_id = await client.execute_update_with_start_workflow(
                "request_cycle", ask, start_workflow_operation=start, id=ask.key or None, result_type=str
            )
    except TimeoutError:
        raise Unreachable(
            f"no worker took it up within {CALL_SECONDS:g} s: is one running? start it with `mapek worker`"
        ) from None
    return str(cycle_id)


async def _result(client: Client, cycle_id: str, follow: bool) -> CycleResult:
    """Return the cycle's result, after printing its steps as they begin if they are to be followed.

    Raises:
        FinalError: the cycle failed: the loop itself is broken.
    """
    handle = client.get_workflow_handle(cycle_id, result_type=CycleResult)
    if follow:
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
                output.note(await _step(client, event))
    try:
        with output.waiting(f"waiting for {cycle_id}"):
            async with asyncio.timeout(CYCLE_LIMIT.total_seconds() + CALL_SECONDS):
                return CycleResult.model_validate(await handle.result())
    except WorkflowFailureError as error:
        raise FinalError(f"{cycle_id} failed: {error.cause}") from None
    except TimeoutError:
        raise Unreachable(f"{cycle_id} has not ended: does a worker run?") from None


async def _step(client: Client, event: HistoryEvent) -> str:
    """Return an activity's name with the summary that carries its values."""
    name = event.activity_task_scheduled_event_attributes.activity_type.name
    if not event.user_metadata.HasField("summary"):
        return name
    summary = (await client.data_converter.decode([event.user_metadata.summary]))[0]
    return f"{name}: {summary}"


def _print(session: Session, cycle_id: str, result: CycleResult | None, as_json: bool) -> None:
    if as_json:
        body: dict[str, Any] = {"cycle": cycle_id, "link": session.link(cycle_id)}
        output.as_json(body | ({"result": result} if result else {}))
    elif result is not None:
        output.line(headed(result.outcome, result.headline))
        for plan in result.plans:
            output.line(f"  plan {plan} (mapek explain {plan})")
