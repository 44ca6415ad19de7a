"""Verbs by which a person decides: approve, reject, pause, resume, stop."""

import asyncio
import time
from typing import Annotated

import typer
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from activities.clients.store.store import Store
from activities.model.errors import NotFound
from activities.model.mode import Mode, ModeName, in_force
from activities.model.remediation import Approval, Resume
from activities.settings import LoopSettings
from worker.cli import lookup, output
from worker.cli.session import RPC, LoopName, PlanId, Session, Who, Why, of, person, verb
from worker.config.legacy import seconds
from workflows import names

QUARANTINED = "quarantined"
LOOK_SECONDS = 1.0


@verb
async def approve(ctx: typer.Context, plan: PlanId, why: Why = "", who: Who = "") -> None:
    """Approve PLAN, which waits for a person. It is checked once more and then applied."""
    await _decide(of(ctx), Approval(plan=lookup.plan_id(plan), approve=True, who=person(who), why=why))


@verb
async def reject(ctx: typer.Context, plan: PlanId, why: Why = "", who: Who = "") -> None:
    """Reject PLAN, which waits for a person. Nothing is applied."""
    await _decide(of(ctx), Approval(plan=lookup.plan_id(plan), approve=False, who=person(who), why=why))


@verb
async def pause(
    ctx: typer.Context,
    loop: LoopName,
    why: Why,
    who: Who = "",
    how_long: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Resume by itself after it, as in 30m or 2h.")
    ] = "",
) -> None:
    """Let LOOP only observe: it monitors and explains, and acts on nothing new."""
    session = of(ctx)
    settings, until = session.loop(loop), _until(how_long)
    async with session.store(create=True) as store:
        await _set_mode(store, settings, Mode(loop=loop, name=ModeName.OBSERVE, who=person(who), why=why, until=until))
    output.line(f"{loop} only observes now; what is being remedied ends by itself (`mapek stop {loop}` cancels it)")
    if until:
        output.note(f"it resumes by itself at {output.when(until)}")


@verb
async def resume(
    ctx: typer.Context,
    loop: LoopName,
    mode: Annotated[ModeName | None, typer.Option(help="act or observe. Default: as before the pause or stop.")] = None,
    knob: Annotated[str, typer.Option(help="Only release this knob from quarantine or a freeze.")] = "",
    why: Why = "",
    who: Who = "",
) -> None:
    """Let LOOP go on after a pause or stop, or release a quarantined knob."""
    session = of(ctx)
    settings = session.loop(loop)
    if mode is ModeName.STOPPED:
        raise typer.BadParameter("--mode is act or observe; `mapek stop` stops a loop")
    if knob:
        return await _release(session, settings, knob, Resume(who=person(who), why=why))
    async with session.temporal() as client, session.store(create=True) as store:
        current = in_force(await store.guards.mode(loop), settings.first_mode, time.time())
        wanted = mode or (current.previous or current.name)
        await _set_mode(store, settings, Mode(loop=loop, name=wanted, who=person(who), why=why))
        await _unpause(client, loop)
    output.line(f"{loop} is in mode {wanted}")
    if wanted is ModeName.OBSERVE:
        output.note(f"it acts on nothing; `mapek resume {loop} --mode act` lets it")
    return None


@verb
async def stop(
    ctx: typer.Context,
    loop: LoopName,
    why: Why,
    who: Who = "",
    within: Annotated[float, typer.Option(min=1.0, help="Seconds to wait until nothing runs any more.")] = 120.0,
) -> int:
    """Stop LOOP: no new cycles, running remediations are cancelled and undo what they did."""
    session = of(ctx)
    settings, by = session.loop(loop), person(who)
    async with session.temporal() as client, session.store(create=True) as store:
        await _set_mode(store, settings, Mode(loop=loop, name=ModeName.STOPPED, who=by, why=why))
        await _pause_schedule(client, loop, f"stopped by {by}: {why}")
        with output.waiting(f"{loop} is stopped; waiting until its remediations have undone what they did"):
            left = await _cancelled(client, loop, within)
    for one in left:
        output.note(f"still running: {one.id} ({lookup.attribute(one, names.PHASE)}) {session.link(one.id)}")
    if any(not _locked(one) for one in left):
        return 1
    output.line(f"{loop} is stopped; nothing of it runs" + ("; quarantined knobs stay locked" if left else ""))
    return 0


async def _decide(session: Session, approval: Approval) -> None:
    async with session.temporal() as client:
        workflow_id = await lookup.remediation_of(session, client, approval.plan)
        handle = client.get_workflow_handle(workflow_id)
        try:
            answer = await handle.execute_update("decide", approval, result_type=str, rpc_timeout=RPC)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            raise NotFound(
                f"plan {approval.plan} is not being carried out, so it does not wait for a decision;"
                f" see `mapek explain {approval.plan}`"
            ) from None
    output.line(str(answer))


def _until(how_long: str) -> float | None:
    """Return when a pause of this length ends (unix seconds), None for one without an end."""
    if not how_long:
        return None
    length = seconds(how_long)
    if not length:
        raise typer.BadParameter(f"{how_long!r} is no duration: 90s, 30m, 2h or 1d")
    return time.time() + length


async def _set_mode(store: Store, loop: LoopSettings, wanted: Mode) -> None:
    """Set the mode as of now; the one to come back to is kept over a pause that becomes a stop."""
    now = time.time()
    current = in_force(await store.guards.mode(loop.name), loop.first_mode, now)
    previous = None
    if wanted.name is not ModeName.ACT:
        previous = current.name if current.previous is None else current.previous
    await store.guards.set_mode(wanted.model_copy(update={"at": now, "previous": previous}))


async def _release(session: Session, loop: LoopSettings, knob: str, by: Resume) -> None:
    """Release a knob from quarantine, its lock in the running remediation and the copy in the store, or from a freeze.

    Only a knob that is quarantined is signalled: a remediation keeps the signal, and one that came too early would
    release a quarantine nobody has looked at.
    """
    async with session.temporal() as client, session.store() as store:
        if (await store.guards.state(loop.charter, time.time())).knob(knob).quarantined:
            await _unlock(client, names.remediation_id(loop.charter, knob), by)
        if not await store.guards.release(loop.charter, knob, by.who, by.why, time.time()):
            raise NotFound(f"knob {knob} of Charter {loop.charter} is neither quarantined nor frozen")
    output.line(f"knob {knob} is released")


async def _unlock(client: Client, workflow_id: str, by: Resume) -> None:
    try:
        await client.get_workflow_handle(workflow_id).signal("resume", by, rpc_timeout=RPC)
    except RPCError as error:
        # A remediation that was terminated holds no lock any more; its copy in the store still does.
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _unpause(client: Client, loop: str) -> None:
    handle = client.get_schedule_handle(names.schedule_id(loop))
    try:
        if (await handle.describe(rpc_timeout=RPC)).schedule.state.paused:
            await handle.unpause(note="resumed", rpc_timeout=RPC)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        output.note(f"{loop} has no schedule: run `mapek bootstrap`")


async def _pause_schedule(client: Client, loop: str, note: str) -> None:
    try:
        await client.get_schedule_handle(names.schedule_id(loop)).pause(note=note, rpc_timeout=RPC)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        output.note(f"{loop} has no schedule, so nothing starts cycles by itself")


async def _cancelled(client: Client, loop: str, within: float) -> list[WorkflowExecution]:
    """Cancel the loop's remediations, and return what runs when only locks do, or when time is over.

    A cycle that had decided before may still start one, and visibility lags: so it has to look empty twice.
    """
    deadline, quiet = time.monotonic() + within, 0
    asked: set[str] = set()
    while True:
        left = await lookup.running(client, loop, ("MapekCycle", "Remediation"))
        for one in left:
            if one.workflow_type == "Remediation" and not _locked(one) and one.run_id not in asked:
                await _cancel(client, one)
                asked.add(one.run_id)
        quiet = quiet + 1 if all(_locked(one) for one in left) else 0
        if quiet >= 2 or time.monotonic() >= deadline:
            return left
        await asyncio.sleep(LOOK_SECONDS)


async def _cancel(client: Client, one: WorkflowExecution) -> None:
    try:
        await client.get_workflow_handle(one.id, run_id=one.run_id).cancel(rpc_timeout=RPC)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


def _locked(one: WorkflowExecution) -> bool:
    return lookup.attribute(one, names.PHASE) == QUARANTINED
