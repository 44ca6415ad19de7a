"""Verbs around the process: worker, bootstrap, config check."""

import asyncio
import importlib
from pathlib import Path
from typing import Annotated

import typer

from activities.model.errors import ConfigurationError
from worker.cli import output
from worker.cli.session import JsonOption, Session, async_command, current_session
from worker.observability import logging
from worker.temporal import bootstrap as at_temporal
from worker.temporal.schedules import LoopSchedule


def worker(ctx: typer.Context) -> None:
    """Run a worker until it is told to end (SIGINT, SIGTERM)."""
    config = current_session(ctx).config
    logging.configure_logging(config)
    for note in config.notes:
        output.print_status(note)
    # Loaded only here: it brings everything a worker needs, and the other verbs answer sooner without.
    main = importlib.import_module("worker.main")
    code = asyncio.run(main.run_worker(config, reload_config=current_session(ctx).reload))
    if code:
        raise typer.Exit(code)


@async_command
async def bootstrap(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the changes without making them; exit code 1 if there are any.")
    ] = False,
) -> int:
    """Make namespace, search attributes, schedules and intakes as they should be. Doing it twice changes nothing."""
    session = current_session(ctx)
    interval = session.config.orchestrator.loop_interval
    wanted = [
        LoopSchedule(loop=loop.name, interval=interval, links=session.config.format_links(loop))
        for loop in session.config.loops
    ]
    async with session.connect_temporal() as client:
        days = session.config.temporal.retention_days
        if dry_run:
            lines = [f"to do: {change.summary}" for change in await at_temporal.find_changes(client, wanted, days)]
        else:
            lines = await at_temporal.bootstrap(client, wanted, days)
    for line in lines:
        output.print_line(line)
    if not lines:
        output.print_line("everything is as it should be")
    return 1 if dry_run and lines else 0


def check(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: what every verb uses.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a configuration: OK with notes, or every mistake with its line and what would be right."""
    session = current_session(ctx)
    session = Session(file=file or session.file, state=session.state, flags=session.flags)
    try:
        config = session.config
    except ConfigurationError as error:
        if not as_json:
            raise
        output.print_json({"ok": False, "problems": str(error).splitlines()})
        raise typer.Exit(2) from None
    if as_json:
        return output.print_json(
            {"ok": True, "file": config.file, "loops": [x.name for x in config.loops], "notes": config.notes}
        )
    output.print_line(f"OK: {config.file or 'defaults'}, loops {', '.join(loop.name for loop in config.loops)}")
    output.print_list("Notes", config.notes)
    return None
