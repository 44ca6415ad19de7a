"""Verbs by which an operator decides: approve, reject, pause, resume, stop."""

import asyncio
import time
from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecution

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
from worker.temporal.rpc import exists, none_if_missing
from workflows import search_attributes

STOP_POLL_SECONDS = 1.0


@async_command
async def approve(ctx: typer.Context, plan: PlanArgument, reason: ReasonOption = "", actor: ActorOption = "") -> None:
    """Approve PLAN. It is checked once more and then applied."""
    await _send_decision(
        current_session(ctx),
        Approval(plan=lookup.parse_plan_id(plan), approve=True, actor=actor_or_user(actor), reason=reason),
    )


@async_command
async def reject(ctx: typer.Context, plan: PlanArgument, reason: ReasonOption = "", actor: ActorOption = "") -> None:
    """Reject PLAN. Nothing is applied."""
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
        str, typer.Option("--for", metavar="DURATION", help="Resume automatically after this time, as in 30m or 2h.")
    ] = "",
) -> None:
    """Set LOOP to observe: it monitors and explains, and starts no remediation."""
    session = current_session(ctx)
    settings, until = session.loop(loop), _parse_until(duration)
    async with session.open_store(create=True) as store:
        await _set_mode(
            store,
            settings,
            Mode(loop=loop, name=LoopMode.OBSERVE, actor=actor_or_user(actor), reason=reason, until=until),
        )
    output.print_line(f"{loop} is paused; running remediations will finish (`mapek stop {loop}` cancels them)")
    if until:
        output.print_status(f"it resumes at {output.format_time(until)}")


@async_command
async def resume(
    ctx: typer.Context,
    loop: LoopArgument,
    mode: Annotated[
        LoopMode | None, typer.Option(help="act or observe. Default: the mode before the pause or stop.")
    ] = None,
    knob: Annotated[str, typer.Option(help="Only release this knob from quarantine or a freeze.")] = "",
    reason: ReasonOption = "",
    actor: ActorOption = "",
) -> None:
    """Resume LOOP after a pause or stop, or release a quarantined knob."""
    session = current_session(ctx)
    settings = session.loop(loop)
    if mode is LoopMode.STOPPED:
        raise typer.BadParameter("--mode must be act or observe; `mapek stop` stops a loop")
    if knob:
        return await _release_knob(session, settings, knob, ResumeRequest(actor=actor_or_user(actor), reason=reason))
    async with session.connect_temporal() as client, session.open_store(create=True) as store:
        current = effective_mode(await store.guards.load_mode(loop), settings.initial_mode, time.time())
        new_mode = mode or (current.previous or current.name)
        await _set_mode(store, settings, Mode(loop=loop, name=new_mode, actor=actor_or_user(actor), reason=reason))
        await _unpause_schedule(client, loop)
    output.print_line(f"{loop} is in mode {new_mode}")
    if new_mode is LoopMode.OBSERVE:
        output.print_status(f"it starts no remediation; `mapek resume {loop} --mode act` lets it act")
    return None


@async_command
async def stop(
    ctx: typer.Context,
    loop: LoopArgument,
    reason: ReasonOption,
    actor: ActorOption = "",
    timeout_seconds: Annotated[
        float, typer.Option("--timeout", min=1.0, help="Seconds to wait until no remediation runs.")
    ] = 120.0,
) -> int:
    """Stop LOOP: it starts no cycles; running remediations are cancelled and roll back."""
    session = current_session(ctx)
    settings, actor = session.loop(loop), actor_or_user(actor)
    async with session.connect_temporal() as client, session.open_store(create=True) as store:
        await _set_mode(store, settings, Mode(loop=loop, name=LoopMode.STOPPED, actor=actor, reason=reason))
        await _pause_schedule(client, loop, f"stopped by {actor}: {reason}")
        with output.spinner(f"{loop} is stopped; waiting for its remediations to roll back"):
            running = await _cancel_remediations(client, loop, timeout_seconds)
    for execution in running:
        phase = lookup.read_search_attribute(execution, search_attributes.PHASE)
        output.print_status(f"still running: {execution.id} ({phase}) {session.workflow_url(execution.id)}")
    if not all(_is_quarantined(execution) for execution in running):
        return 1
    locked = "; quarantined knobs stay locked" if running else ""
    output.print_line(f"{loop} is stopped; none of its workflows runs{locked}")
    return 0


async def _send_decision(session: Session, approval: Approval) -> None:
    async with session.connect_temporal() as client:
        workflow_id = await lookup.find_remediation_id(session, client, approval.plan)
        update = client.get_workflow_handle(workflow_id).execute_update(
            "decide", approval, result_type=str, rpc_timeout=RPC_TIMEOUT
        )
        answer = await none_if_missing(update)
    if answer is None:
        raise NotFound(
            f"plan {approval.plan} has no running remediation, so it does not wait for a decision;"
            f" see `mapek explain {approval.plan}`"
        )
    output.print_line(str(answer))


def _parse_until(duration: str) -> float | None:
    """Return the end of a pause of this length (unix seconds), None for a pause without end."""
    if not duration:
        return None
    length = parse_duration(duration)
    if not length:
        raise typer.BadParameter(f"invalid --for {duration!r}: use 90s, 30m, 2h or 1d")
    return time.time() + length


async def _set_mode(store: Store, loop: LoopSettings, desired: Mode) -> None:
    """Set the mode from now on. A pause that becomes a stop keeps the mode to return to."""
    now = time.time()
    current = effective_mode(await store.guards.load_mode(loop.name), loop.initial_mode, now)
    previous = None
    if desired.name is not LoopMode.ACT:
        previous = current.name if current.previous is None else current.previous
    await store.guards.set_mode(desired.model_copy(update={"at": now, "previous": previous}))


async def _release_knob(session: Session, loop: LoopSettings, knob: str, request: ResumeRequest) -> None:
    """Release a knob from quarantine or from a freeze.

    A quarantine is a lock in the running remediation and its copy in the store. Only a quarantined knob is signalled:
    a remediation keeps the signal, and an early one would release a later quarantine unchecked.
    """
    async with session.connect_temporal() as client, session.open_store() as store:
        if (await store.guards.load_state(loop.charter, time.time())).knob(knob).quarantined:
            handle = client.get_workflow_handle(identifiers.remediation_id(loop.charter, knob))
            # A terminated remediation holds no lock any more; its copy in the store remains.
            await exists(handle.signal("resume", request, rpc_timeout=RPC_TIMEOUT))
        if not await store.guards.release(loop.charter, knob, request.actor, request.reason, time.time()):
            raise NotFound(f"knob {knob} of Charter {loop.charter} is neither quarantined nor frozen")
    output.print_line(f"knob {knob} is released")


async def _unpause_schedule(client: Client, loop: str) -> None:
    handle = client.get_schedule_handle(identifiers.schedule_id(loop))
    description = await none_if_missing(handle.describe(rpc_timeout=RPC_TIMEOUT))
    if description is None:
        output.print_status(f"{loop} has no schedule: run `mapek bootstrap`")
    elif description.schedule.state.paused:
        await handle.unpause(note="resumed", rpc_timeout=RPC_TIMEOUT)


async def _pause_schedule(client: Client, loop: str, note: str) -> None:
    handle = client.get_schedule_handle(identifiers.schedule_id(loop))
    if not await exists(handle.pause(note=note, rpc_timeout=RPC_TIMEOUT)):
        output.print_status(f"{loop} has no schedule, so no cycles start automatically")


async def _cancel_remediations(client: Client, loop: str, timeout_seconds: float) -> list[WorkflowExecution]:
    """Cancel the loop's remediations and wait until only quarantines run, or until the timeout; return what runs.

    A cycle that has already decided may still start a remediation, and visibility lags. So two queries in a row must
    find nothing to cancel.
    """
    deadline, quiet_polls = time.monotonic() + timeout_seconds, 0
    cancelled: set[str] = set()
    while True:
        running = await lookup.list_running_workflows(
            client, loop, (identifiers.WorkflowName.CYCLE, *identifiers.REMEDIATION_TYPES)
        )
        for execution in running:
            if _is_cancellable(execution) and execution.run_id not in cancelled:
                handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
                await exists(handle.cancel(rpc_timeout=RPC_TIMEOUT))
                cancelled.add(execution.run_id)
        quiet_polls = quiet_polls + 1 if all(map(_is_quarantined, running)) else 0
        if quiet_polls >= 2 or time.monotonic() >= deadline:
            return running
        await asyncio.sleep(STOP_POLL_SECONDS)


def _is_cancellable(execution: WorkflowExecution) -> bool:
    return execution.workflow_type in identifiers.REMEDIATION_TYPES and not _is_quarantined(execution)


def _is_quarantined(execution: WorkflowExecution) -> bool:
    return lookup.read_search_attribute(execution, search_attributes.PHASE) == Phase.QUARANTINED
