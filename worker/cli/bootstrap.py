"""`mapek bootstrap`: create or correct what the loops need at Temporal."""

from typing import Annotated

import typer

from worker.cli import output
from worker.cli.session import async_command, current_session
from worker.temporal.bootstrap import bootstrap as apply_changes
from worker.temporal.bootstrap import find_changes
from worker.temporal.schedules import LoopSchedule


@async_command
async def bootstrap(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the changes without making them; exit code 1 if there are any.")
    ] = False,
) -> int:
    """Create or correct namespace, search attributes, schedules and intakes. A second run changes nothing."""
    config = current_session(ctx).config
    interval, retention_days = config.orchestrator.loop_interval, config.temporal.retention_days
    schedules = [
        LoopSchedule(loop=loop.name, interval=interval, links=config.format_links(loop)) for loop in config.loops
    ]
    async with current_session(ctx).connect_temporal() as client:
        if dry_run:
            changes = await find_changes(client, schedules, retention_days)
            lines = [f"to do: {change.summary}" for change in changes]
        else:
            lines = await apply_changes(client, schedules, retention_days)
    for line in lines or ["no changes needed"]:
        output.print_line(line)
    return int(dry_run and bool(lines))
