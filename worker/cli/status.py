"""`mapek status` and `mapek cycles`: the state of the loops and their newest cycles."""

import time
from typing import Annotated, Any

import typer
from temporalio.client import Client, ScheduleDescription, WorkflowExecution

from activities.kill_switch import KillSwitch
from activities.knowledge.insights import format_insights
from activities.model import identifiers
from activities.model.audit import AuditEntry
from activities.model.errors import ConfigurationError, StoreUnavailable
from activities.model.guard_rule import GuardRule
from activities.model.guard_state import GuardState
from activities.model.mode import effective_mode, with_kill_switch
from activities.plan.guards.oscillation import hold_seconds_by_rule
from activities.settings import LoopSettings
from worker.cli import lookup, output
from worker.cli.session import RPC_TIMEOUT, JsonOption, Session, async_command, current_session
from worker.temporal.rpc import none_if_missing
from workflows import search_attributes


@async_command
async def status(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Show mode, schedule, last cycle, running remediations, locked knobs and learned experience of each loop."""
    session = current_session(ctx)
    async with session.connect_temporal() as client:
        loops = [await _load_loop_status(session, client, loop) for loop in session.config.loops]
    if as_json:
        return output.print_json(loops)
    for loop in loops:
        _show_loop(loop)
    return None


@async_command
async def cycles(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Maximum number, the newest first.")] = 20,
    outcome: Annotated[str, typer.Option(help="Only cycles of this MapekOutcome, such as planned.")] = "",
    loop: Annotated[str, typer.Option(help="Only cycles of this loop.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the newest cycles."""
    session = current_session(ctx)
    if outcome and not outcome.replace("_", "").isalpha():
        raise typer.BadParameter(f"invalid --outcome {outcome!r}: use a MapekOutcome such as healthy or planned")
    loops = [session.loop(loop).name] if loop else [configured.name for configured in session.config.loops]
    async with session.connect_temporal() as client:
        executions = lookup.list_cycles(client, loops, outcome, limit)
        rows = [_cycle_fields(session, execution) async for execution in executions]
    if as_json:
        return output.print_json(rows)
    columns = ("started", "outcome", "trigger", "root_cause", "id")
    output.print_table(columns, [[row[column] for column in columns] for row in rows])
    return None


async def _load_loop_status(session: Session, client: Client, loop: LoopSettings) -> dict[str, Any]:
    handle = client.get_schedule_handle(identifiers.schedule_id(loop.name))
    schedule = await none_if_missing(handle.describe(rpc_timeout=RPC_TIMEOUT))
    remediations = await lookup.list_running_workflows(client, loop.name, identifiers.REMEDIATION_TYPES)
    last_cycles = [_cycle_fields(session, cycle) async for cycle in lookup.list_cycles(client, [loop.name], "", 1)]
    return {
        "loop": loop.name,
        "charter": loop.charter,
        "schedule": _schedule_fields(schedule),
        "last_cycle": last_cycles[0] if last_cycles else None,
        "remediations": [_remediation_fields(session, execution) for execution in remediations],
        **await _load_store_status(session, loop),
    }


async def _load_store_status(session: Session, loop: LoopSettings) -> dict[str, Any]:
    """Return what the store knows of a loop. Without a store each field is None, and `unknown` has the reason."""
    try:
        async with session.open_store() as store:
            mode = effective_mode(await store.guards.load_mode(loop.name), loop.initial_mode, time.time())
            # The file of the kill switch is visible here, the environment of the worker is not.
            mode = with_kill_switch(KillSwitch(session.config.kill_switch_file, {})(), mode)
            guards = await store.guards.load_state(loop.charter, time.time())
            experience = await store.outcomes.load_experience(loop.name)
            entries = await store.audit.load_newest(loop.name, hold_seconds_by_rule(loop.plan.oscillation))
    except (StoreUnavailable, ConfigurationError) as error:
        return {"mode": None, "knobs": None, "learned": None, "storm": None, "held": None, "unknown": str(error)}
    storm = guards.storm(loop.name)
    return {
        "mode": mode.model_dump(mode="json"),
        "knobs": [knob.model_dump(mode="json") for knob in guards.knobs],
        "learned": list(format_insights(experience, loop.knowledge)),
        "storm": storm.model_dump(mode="json") if storm else None,
        "held": [_hold_fields(entry) for entry in entries if _is_in_force(entry, guards, loop)],
    }


def _is_in_force(entry: AuditEntry, guards: GuardState, loop: LoopSettings) -> bool:
    """Return whether a block may still be in force: younger than its maximum duration, and not released since."""
    hold_seconds = hold_seconds_by_rule(loop.plan.oscillation)[GuardRule(entry.kind)]
    return entry.at > max(time.time() - hold_seconds, guards.knob(entry.knob).released_at)


def _hold_fields(entry: AuditEntry) -> dict[str, Any]:
    return {"rule": entry.kind, "knob": entry.knob, "at": entry.at, "reason": entry.summary}


def _schedule_fields(description: ScheduleDescription | None) -> dict[str, Any] | None:
    if description is None:
        return None
    state, info = description.schedule.state, description.info
    return {
        "paused": state.paused,
        "note": state.note or "",
        "next": info.next_action_times[0] if info.next_action_times else None,
        "started": info.num_actions,
        "skipped": info.num_actions_skipped_overlap,
        "missed": info.num_actions_missed_catchup_window,
    }


def _cycle_fields(session: Session, execution: WorkflowExecution) -> dict[str, Any]:
    return {
        "id": execution.id,
        "loop": lookup.read_search_attribute(execution, search_attributes.LOOP),
        "started": output.format_time(execution.start_time.timestamp()),
        "trigger": lookup.read_search_attribute(execution, search_attributes.TRIGGER),
        "outcome": lookup.read_search_attribute(execution, search_attributes.OUTCOME)
        or (execution.status.name.lower() if execution.status else ""),
        "root_cause": lookup.read_search_attribute(execution, search_attributes.ROOT_CAUSE),
        "violations": list(execution.typed_search_attributes.get(search_attributes.VIOLATIONS) or ()),
        "link": session.workflow_url(execution.id),
    }


def _remediation_fields(session: Session, execution: WorkflowExecution) -> dict[str, Any]:
    return {
        "id": execution.id,
        "plan": lookup.read_search_attribute(execution, search_attributes.PLAN),
        "knob": lookup.read_search_attribute(execution, search_attributes.KNOB),
        "phase": lookup.read_search_attribute(execution, search_attributes.PHASE),
        "since": output.format_time(execution.start_time.timestamp()),
        "link": session.workflow_url(execution.id),
    }


def _show_loop(loop: dict[str, Any]) -> None:
    output.print_heading(f"loop {loop['loop']} on Charter {loop['charter']}")
    output.print_line(f"  mode       {_format_mode(loop['mode'])}")
    output.print_line(f"  schedule   {_format_schedule(loop['schedule'])}")
    last = loop["last_cycle"]
    output.print_line(
        f"  last cycle {last['started']} {last['outcome']} ({last['id']})" if last else "  last cycle none yet"
    )
    output.print_list("  violations", last["violations"] if last else ())
    output.print_list(
        "  remediations", [f"{r['phase']}: plan {r['plan']} on {r['knob']}" for r in loop["remediations"]]
    )
    if loop["knobs"] is None:
        output.print_line(f"  knobs      unknown: {loop['unknown']}")
    if loop["storm"]:
        output.print_line(f"  storm      since {output.format_time(loop['storm']['since'])}: {loop['storm']['reason']}")
    for hold in loop["held"] or ():
        release = f" (mapek resume {loop['loop']} --knob {hold['knob']})" if hold["rule"] == GuardRule.FROZEN else ""
        since = output.format_time(hold["at"])
        output.print_line(f"  {hold['rule']:<10} {hold['knob']} at {since}: {hold['reason']}{release}")
    output.print_list("  learned", loop["learned"] or ())
    for knob in loop["knobs"] or ():
        if knob["quarantined"]:
            release = f"mapek resume {loop['loop']} --knob {knob['knob']}"
            output.print_line(f"  quarantine {knob['knob']}: {knob['quarantine_reason']} ({release})")


def _format_mode(mode: dict[str, Any] | None) -> str:
    if mode is None:
        return "unknown: the store does not answer"
    actor = f" by {mode['actor']} at {output.format_time(mode['at'])}" if mode["actor"] else ""
    until = f" until {output.format_time(mode['until'])}" if mode["until"] else ""
    reason = f": {mode['reason']}" if mode["reason"] else ""
    return f"{mode['name']}{actor}{until}{reason}"


def _format_schedule(schedule: dict[str, Any] | None) -> str:
    if schedule is None:
        return "missing: run `mapek bootstrap`"
    counts = f"{schedule['started']} started, {schedule['skipped']} skipped, {schedule['missed']} missed"
    return f"paused: {schedule['note']} ({counts})" if schedule["paused"] else f"running ({counts})"
