"""`mapek audit`: the rows of the audit, of a plan, a cycle or a loop."""

from typing import Annotated

import typer

from activities.model.audit import AuditEntry, AuditKind
from worker.cli import lookup, output
from worker.cli.session import JsonOption, async_command, current_session

COLUMNS = ("at", "plan", "kind", "direction", "step", "attempt", "phase", "status", "generations", "actor", "summary")


@async_command
async def audit(
    ctx: typer.Context,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A plan id, a cycle id, or a loop's name.")],
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of rows of a loop, the newest first.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Show every attempt at Charter and every decision of an operator, also after Temporal's retention.

    For a loop it also shows pauses, stops, quarantines and changes of the configuration.
    """
    session = current_session(ctx)
    async with session.open_store() as store:
        if any(loop.name == identifier for loop in session.config.loops):
            entries = list(await store.audit.load_for_loop(identifier, limit))
        else:
            plan_ids = await lookup.find_plan_ids(store, identifier)
            entries = [entry for plan_id in plan_ids for entry in await store.audit.load_for_plan(plan_id)]
    if as_json:
        output.print_json(entries)
    else:
        output.print_table(COLUMNS, [_format_row(entry) for entry in entries])


def _format_row(entry: AuditEntry) -> list[str]:
    generations = f"{_format_optional(entry.generation_before)}→{_format_optional(entry.generation_after)}"
    return [
        output.format_time(entry.at),
        entry.plan_id,
        entry.kind,
        entry.direction,
        _format_optional(entry.step),
        str(entry.attempt or "-"),
        entry.phase,
        _format_optional(entry.status),
        generations if entry.kind is AuditKind.ATTEMPT else "",
        entry.actor or entry.worker_identity,
        entry.summary,
    ]


def _format_optional(value: int | None) -> str:
    return "-" if value is None else str(value)
