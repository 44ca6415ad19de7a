"""Verbs that only read: status, cycles, audit."""

import time
from typing import Annotated, Any

import typer
from temporalio.client import Client, ScheduleDescription, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from activities.kill_switch import KillSwitch
from activities.knowledge.insights import insights
from activities.model.audit import AuditEntry
from activities.model.errors import ConfigurationError, StoreUnavailable
from activities.model.guards import GuardState
from activities.model.mode import in_force, under
from activities.plan.guards.oscillation import spans
from activities.settings import LoopSettings
from worker.cli import lookup, output
from worker.cli.session import RPC, AsJson, Session, of, verb
from workflows import names


@verb
async def status(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show each loop's mode, schedule, last cycle, running remediations, locked knobs, and what was learned."""
    session = of(ctx)
    async with session.temporal() as client:
        found = [await _loop_status(session, client, loop) for loop in session.config.loops]
    if as_json:
        return output.as_json(found)
    for loop in found:
        _show_loop(loop)
    return None


@verb
async def cycles(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most, the newest first.")] = 20,
    outcome: Annotated[str, typer.Option(help="Only cycles of this MapekOutcome, such as planned.")] = "",
    loop: Annotated[str, typer.Option(help="Only cycles of this loop.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the newest cycles."""
    session = of(ctx)
    if outcome and not outcome.replace("_", "").isalpha():
        raise typer.BadParameter(f"{outcome!r} is no outcome; see MapekOutcome, such as healthy, planned or blocked")
    loops = [session.loop(loop).name] if loop else [configured.name for configured in session.config.loops]
    async with session.temporal() as client:
        found = [_cycle(session, one) async for one in lookup.cycles(client, loops, outcome, limit)]
    if as_json:
        return output.as_json(found)
    columns = ("started", "outcome", "trigger", "root_cause", "id")
    output.table(columns, [[one[column] for column in columns] for one in found])
    return None


@verb
async def audit(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A plan id, a cycle id, or a loop's name.")],
    limit: Annotated[int, typer.Option(min=1, help="Of a loop: how many rows, the newest.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show every attempt at Charter and every decision of a person; works when Temporal has forgotten the workflow.

    Of a loop also what concerns no plan: pauses, stops, quarantines, changes of the configuration.
    """
    session = of(ctx)
    async with session.store() as store:
        if any(loop.name == identifier for loop in session.config.loops):
            entries = list(await store.audit.of_loop(identifier, limit))
        else:
            plans = await lookup.plans_of(store, identifier)
            entries = [entry for plan in plans for entry in await store.audit.of_plan(plan)]
    if as_json:
        return output.as_json(entries)
    columns = ("at", "plan", "kind", "direction", "step", "attempt", "phase", "status", "generations", "who", "text")
    rows = [
        [
            output.when(e.at),
            e.plan_id,
            e.kind,
            e.direction,
            _or_dash(e.step),
            str(e.attempt or "-"),
            e.phase,
            _or_dash(e.status),
            f"{_or_dash(e.generation_before)}→{_or_dash(e.generation_after)}" if e.kind == "attempt" else "",
            e.who or e.worker,
            e.text,
        ]
        for e in entries
    ]
    output.table(columns, rows)
    return None


async def _loop_status(session: Session, client: Client, loop: LoopSettings) -> dict[str, Any]:
    schedule = await _schedule(client, loop.name)
    open_now = await lookup.running(client, loop.name, ("Remediation",))
    last = [_cycle(session, one) async for one in lookup.cycles(client, [loop.name], "", 1)]
    return {
        "loop": loop.name,
        "charter": loop.charter,
        "schedule": _schedule_status(schedule),
        "last_cycle": last[0] if last else None,
        "remediations": [_remediation(session, one) for one in open_now],
        **await _recalled(session, loop),
    }


async def _recalled(session: Session, loop: LoopSettings) -> dict[str, Any]:
    """Return what the store knows: mode, guarded knobs, and what was learned; why not, and None for each, if it cannot
    be asked.
    """
    try:
        async with session.store() as store:
            mode = in_force(await store.guards.mode(loop.name), loop.first_mode, time.time())
            # The worker's environment is not seen from here, its file is.
            mode = under(KillSwitch(session.config.kill_switch_file, {})(), mode)
            guards = await store.guards.state(loop.charter, time.time())
            experience = await store.outcomes.experience(loop.name)
            told = await store.audit.newest(loop.name, spans(loop.plan.oscillation))
    except (StoreUnavailable, ConfigurationError) as error:
        return {"mode": None, "knobs": None, "learned": None, "storm": None, "held": None, "unknown": str(error)}
    storm = guards.storm(loop.name)
    return {
        "mode": mode.model_dump(mode="json"),
        "knobs": [knob.model_dump(mode="json") for knob in guards.knobs],
        "learned": list(insights(experience, loop.knowledge)),
        "storm": storm.model_dump(mode="json") if storm else None,
        "held": [_held(row) for row in told if _holds(row, guards, loop)],
    }


def _holds(row: AuditEntry, guards: GuardState, loop: LoopSettings) -> bool:
    """Tell whether what a row says may still hold: it is no longer ago than such a block lasts, and nobody released."""
    since = max(time.time() - spans(loop.plan.oscillation)[row.kind], guards.knob(row.knob).released_at)
    return row.at > since


def _held(row: AuditEntry) -> dict[str, Any]:
    return {"rule": row.kind, "knob": row.knob, "at": row.at, "why": row.text}


async def _schedule(client: Client, loop: str) -> ScheduleDescription | None:
    try:
        return await client.get_schedule_handle(names.schedule_id(loop)).describe(rpc_timeout=RPC)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


def _schedule_status(found: ScheduleDescription | None) -> dict[str, Any] | None:
    if found is None:
        return None
    state, info = found.schedule.state, found.info
    return {
        "paused": state.paused,
        "note": state.note or "",
        "next": info.next_action_times[0] if info.next_action_times else None,
        "started": info.num_actions,
        "skipped": info.num_actions_skipped_overlap,
        "missed": info.num_actions_missed_catchup_window,
    }


def _cycle(session: Session, one: WorkflowExecution) -> dict[str, Any]:
    return {
        "id": one.id,
        "loop": lookup.attribute(one, names.LOOP),
        "started": output.when(one.start_time.timestamp()),
        "trigger": lookup.attribute(one, names.TRIGGER),
        "outcome": lookup.attribute(one, names.OUTCOME) or (one.status.name.lower() if one.status else ""),
        "root_cause": lookup.attribute(one, names.ROOT_CAUSE),
        "violations": list(one.typed_search_attributes.get(names.VIOLATIONS) or ()),
        "link": session.link(one.id),
    }


def _remediation(session: Session, one: WorkflowExecution) -> dict[str, Any]:
    return {
        "id": one.id,
        "plan": lookup.attribute(one, names.PLAN),
        "knob": lookup.attribute(one, names.KNOB),
        "phase": lookup.attribute(one, names.PHASE),
        "since": output.when(one.start_time.timestamp()),
        "link": session.link(one.id),
    }


def _show_loop(loop: dict[str, Any]) -> None:
    output.heading(f"loop {loop['loop']} on Charter {loop['charter']}")
    output.line(f"  mode       {_mode_line(loop['mode'])}")
    output.line(f"  schedule   {_schedule_line(loop['schedule'])}")
    last = loop["last_cycle"]
    output.line(f"  last cycle {last['started']} {last['outcome']} ({last['id']})" if last else "  last cycle none yet")
    output.lines("  violations", last["violations"] if last else ())
    output.lines("  remediations", [f"{r['phase']}: plan {r['plan']} on {r['knob']}" for r in loop["remediations"]])
    if loop["knobs"] is None:
        output.line(f"  knobs      unknown: {loop['unknown']}")
    if loop["storm"]:
        output.line(f"  storm      since {output.when(loop['storm']['since'])}: {loop['storm']['why']}")
    for one in loop["held"] or ():
        release = f" (mapek resume {loop['loop']} --knob {one['knob']})" if one["rule"] == "frozen" else ""
        output.line(f"  {one['rule']:<10} {one['knob']} at {output.when(one['at'])}: {one['why']}{release}")
    output.lines("  learned", loop["learned"] or ())
    for knob in loop["knobs"] or ():
        if knob["quarantined"]:
            release = f"mapek resume {loop['loop']} --knob {knob['knob']}"
            output.line(f"  quarantine {knob['knob']}: {knob['quarantine_why']} ({release})")


def _mode_line(mode: dict[str, Any] | None) -> str:
    if mode is None:
        return "unknown: the store cannot be asked"
    by = f" by {mode['who']} at {output.when(mode['at'])}" if mode["who"] else ""
    by += f" until {output.when(mode['until'])}" if mode["until"] else ""
    return f"{mode['name']}{by}" + (f": {mode['why']}" if mode["why"] else "")


def _schedule_line(schedule: dict[str, Any] | None) -> str:
    if schedule is None:
        return "missing: run `mapek bootstrap`"
    counts = f"{schedule['started']} started, {schedule['skipped']} skipped, {schedule['missed']} missed"
    return f"paused: {schedule['note']} ({counts})" if schedule["paused"] else f"running ({counts})"


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
