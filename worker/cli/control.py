"""Verbs by which a person decides: approve, reject, pause, resume, stop."""

import asyncio
import time
from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from activities.clients.store.store import Store
from activities.model import identifiers
from activities.model.errors import NotFound
from activities.model.mode import LoopMode, Mode, effective_mode
from activities.model.phase import Phase
from activities.model.remediation import Approval, ResumeRequest
from activities.model.types import parse_duration
from activities.settings import LoopSettings
from worker.cli import lookup, output
from worker.cli.session import (
    RPC_TIMEOUT,
    ActorOption,
    LoopArgument,
    PlanArgument,
    ReasonOption,
    Session,
    actor_or_user,
    async_command,
    current_session,
)
from workflows import search_attributes

POLL_SECONDS = 1.0


@async_command
async def approve(ctx: typer.Context, plan: PlanArgument, reason: ReasonOption = "", actor: ActorOption = "") -> None:
    """Approve PLAN, which waits for a person. It is checked once more and then applied."""
    await _send_decision(
        current_session(ctx),
        Approval(plan=lookup.parse_plan_id(plan), approve=True, actor=actor_or_user(actor), reason=reason),
    )


@async_command
async def reject(ctx: typer.Context, plan: PlanArgument, reason: ReasonOption = "", actor: ActorOption = "") -> None:
    """Reject PLAN, which waits for a person. Nothing is applied."""
    await _send_decision(
        current_session(ctx),
        Approval(plan=lookup.parse_plan_id(plan), approve=False, actor=actor_or_user(actor), reason=reason),
    )


@async_command
async def pause(
    ctx: typer.Context,
    loop: LoopArgument,
    reason: ReasonOption,
    actor: ActorOption = "",
    duration: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Resume by itself after it, as in 30m or 2h.")
    ] = "",
) -> None:
    """Let LOOP only observe: it monitors and explains, and acts on nothing new."""
    session = current_session(ctx)
    settings, until = session.loop(loop), _parse_until(duration)
    async with session.open_store(create=True) as store:
        await _set_mode(
            store,
            settings,
            Mode(loop=loop, name=LoopMode.OBSERVE, actor=actor_or_user(actor), reason=reason, until=until),
        )
    output.print_line(
        f"{loop} only observes now; what is being remedied ends by itself (`mapek stop {loop}` cancels it)"
    )
    if until:
        output.print_status(f"it resumes by itself at {output.format_time(until)}")


@async_command
async def resume(
    ctx: typer.Context,
    loop: LoopArgument,
    mode: Annotated[LoopMode | None, typer.Option(help="act or observe. Default: as before the pause or stop.")] = None,
    knob: Annotated[str, typer.Option(help="Only release this knob from quarantine or a freeze.")] = "",
    reason: ReasonOption = "",
    actor: ActorOption = "",
) -> None:
    """Let LOOP go on after a pause or stop, or release a quarantined knob."""
    session = current_session(ctx)
    settings = session.loop(loop)
    if mode is LoopMode.STOPPED:
        raise typer.BadParameter("--mode is act or observe; `mapek stop` stops a loop")
    if knob:
        return await _release_knob(session, settings, knob, ResumeRequest(actor=actor_or_user(actor), reason=reason))
    async with session.connect_temporal() as client, session.open_store(create=True) as store:
        current = effective_mode(await store.guards.load_mode(loop), settings.initial_mode, time.time())
        wanted = mode or (current.previous or current.name)
        await _set_mode(store, settings, Mode(loop=loop, name=wanted, actor=actor_or_user(actor), reason=reason))
        await _unpause_schedule(client, loop)
    output.print_line(f"{loop} is in mode {wanted}")
    if wanted is LoopMode.OBSERVE:
        output.print_status(f"it acts on nothing; `mapek resume {loop} --mode act` lets it")
    return None


@async_command
async def stop(
    ctx: typer.Context,
    loop: LoopArgument,
    reason: ReasonOption,
    actor: ActorOption = "",
    timeout_seconds: Annotated[
        float, typer.Option("--timeout", min=1.0, help="Seconds to wait until nothing runs any more.")
    ] = 120.0,
) -> int:
    """Stop LOOP: no new cycles, running remediations are cancelled and undo what they did."""
    session = current_session(ctx)
    settings, by = session.loop(loop), actor_or_user(actor)
    async with session.connect_temporal() as client, session.open_store(create=True) as store:
        await _set_mode(store, settings, Mode(loop=loop, name=LoopMode.STOPPED, actor=by, reason=reason))
        await _pause_schedule(client, loop, f"stopped by {by}: {reason}")
        with output.spinner(f"{loop} is stopped; waiting until its remediations have undone what they did"):
            left = await _cancel_remediations(client, loop, timeout_seconds)
    for one in left:
        output.print_status(
            f"still running: {one.id} ({lookup.read_search_attribute(one, search_attributes.PHASE)}) {session.workflow_url(one.id)}"
        )
    if any(not _is_quarantined(one) for one in left):
        return 1
    output.print_line(f"{loop} is stopped; nothing of it runs" + ("; quarantined knobs stay locked" if left else ""))
    return 0


async def _send_decision(session: Session, approval: Approval) -> None:
    async with session.connect_temporal() as client:
        workflow_id = await lookup.find_remediation_id(session, client, approval.plan)
        handle = client.get_workflow_handle(workflow_id)
        try:
            answer = await handle.execute_update("decide", approval, result_type=str, rpc_timeout=RPC_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise NotFound(
                f"plan {approval.plan} is not being carried out, so it does not wait for a decision;"
                f" see `mapek explain {approval.plan}`"
            ) from None
    output.print_line(str(answer))


def _parse_until(duration: str) -> float | None:
    """Return when a pause of this length ends (unix seconds), None for one without an end."""
    if not duration:
        return None
    length = parse_duration(duration)
    if not length:
        raise typer.BadParameter(f"{duration!r} is no duration: 90s, 30m, 2h or 1d")
    return time.time() + length


async def _set_mode(store: Store, loop: LoopSettings, desired: Mode) -> None:
    """Set the mode as of now; the one to come back to is kept over a pause that becomes a stop."""
    now = time.time()
    current = effective_mode(await store.guards.load_mode(loop.name), loop.initial_mode, now)
    previous = None
    if desired.name is not LoopMode.ACT:
        previous = current.name if current.previous is None else current.previous
    await store.guards.set_mode(desired.model_copy(update={"at": now, "previous": previous}))


async def _release_knob(session: Session, loop: LoopSettings, knob: str, request: ResumeRequest) -> None:
    """Release a knob from quarantine, its lock in the running remediation and the copy in the store, or from a freeze.

    Only a knob that is quarantined is signalled: a remediation keeps the signal, and one that came too early would
    release a quarantine nobody has looked at.
    """
    async with session.connect_temporal() as client, session.open_store() as store:
        if (await store.guards.load_state(loop.charter, time.time())).knob(knob).quarantined:
            await _signal_resume(client, identifiers.remediation_id(loop.charter, knob), request)
        if not await store.guards.release(loop.charter, knob, request.actor, request.reason, time.time()):
            raise NotFound(f"knob {knob} of Charter {loop.charter} is neither quarantined nor frozen")
    output.print_line(f"knob {knob} is released")


async def _signal_resume(client: Client, workflow_id: str, request: ResumeRequest) -> None:
    try:
        await client.get_workflow_handle(workflow_id).signal("resume", request, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        # A remediation that was terminated holds no lock any more; its copy in the store still does.
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _unpause_schedule(client: Client, loop: str) -> None:
    handle = client.get_schedule_handle(identifiers.schedule_id(loop))
    try:
        if (await handle.describe(rpc_timeout=RPC_TIMEOUT)).schedule.state.paused:
            await handle.unpause(note="resumed", rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        output.print_status(f"{loop} has no schedule: run `mapek bootstrap`")


async def _pause_schedule(client: Client, loop: str, note: str) -> None:
    try:
        await client.get_schedule_handle(identifiers.schedule_id(loop)).pause(note=note, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        output.print_status(f"{loop} has no schedule, so nothing starts cycles by itself")


async def _cancel_remediations(client: Client, loop: str, timeout_seconds: float) -> list[WorkflowExecution]:
    """Cancel the loop's remediations, and return what runs when only locks do, or when time is over.

    A cycle that had decided before may still start one, and visibility lags: so it has to look empty twice.
    """
    deadline, quiet = time.monotonic() + timeout_seconds, 0
    asked: set[str] = set()
    while True:
        left = await lookup.list_running_workflows(
            client, loop, (identifiers.WorkflowName.CYCLE, *identifiers.REMEDIATION_TYPES)
        )
        for one in left:
            if (
                one.workflow_type in identifiers.REMEDIATION_TYPES
                and not _is_quarantined(one)
                and one.run_id not in asked
            ):
                await _cancel_workflow(client, one)
                asked.add(one.run_id)
        quiet = quiet + 1 if all(_is_quarantined(one) for one in left) else 0
        if quiet >= 2 or time.monotonic() >= deadline:
            return left
        await asyncio.sleep(POLL_SECONDS)


async def _cancel_workflow(client: Client, execution: WorkflowExecution) -> None:
    try:
        await client.get_workflow_handle(execution.id, run_id=execution.run_id).cancel(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _is_quarantined(execution: WorkflowExecution) -> bool:
    return lookup.read_search_attribute(execution, search_attributes.PHASE) == Phase.QUARANTINED
