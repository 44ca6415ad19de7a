"""Verbs around the process: worker, bootstrap, config check."""

import asyncio
import importlib
from pathlib import Path
from typing import Annotated

import typer

from activities.model.errors import ConfigurationError
from worker.cli import output
from worker.cli.session import AsJson, Session, of, verb
from worker.observability import logging
from worker.temporal import bootstrap as at_temporal
from worker.temporal.schedules import LoopSchedule


def worker(ctx: typer.Context) -> None:
    """Run a worker until it is told to end (SIGINT, SIGTERM)."""
    config = of(ctx).config
    logging.configure(config)
    for note in config.notes:
        output.note(note)
    # Loaded only here: it brings everything a worker needs, and the other verbs answer sooner without.
    main = importlib.import_module("worker.main")
    code = asyncio.run(main.run(config, reload=of(ctx).reload))
    if code:
        raise typer.Exit(code)


@verb
async def bootstrap(
    ctx: typer.Context,
    diff: Annotated[
        bool, typer.Option("--diff", help="Only say what would be changed; exit code 1 if anything.")
    ] = False,
) -> int:
    """Make namespace, search attributes, schedules and intakes as they should be. Doing it twice changes nothing."""
    session = of(ctx)
    interval = session.config.orchestrator.loop_interval
    wanted = [
        LoopSchedule(loop=loop.name, interval=interval, links=session.config.links_of(loop))
        for loop in session.config.loops
    ]
    async with session.temporal() as client:
        days = session.config.temporal.retention_days
        if diff:
            lines = [f"to do: {change.text}" for change in await at_temporal.differences(client, wanted, days)]
        else:
            lines = await at_temporal.bootstrap(client, wanted, days)
    for line in lines:
        output.line(line)
    if not lines:
        output.line("everything is as it should be")
    return 1 if diff and lines else 0


def check(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default: what every verb uses.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a configuration: OK with notes, or every mistake with its line and what would be right."""
    session = of(ctx)
    session = Session(file=file or session.file, state=session.state, flags=session.flags)
    try:
        config = session.config
    except ConfigurationError as error:
        if not as_json:
            raise
        output.as_json({"ok": False, "problems": str(error).splitlines()})
        raise typer.Exit(2) from None
    if as_json:
        return output.as_json(
            {"ok": True, "file": config.file, "loops": [x.name for x in config.loops], "notes": config.notes}
        )
    output.line(f"OK: {config.file or 'defaults'}, loops {', '.join(loop.name for loop in config.loops)}")
    output.lines("Notes", config.notes)
    return None
