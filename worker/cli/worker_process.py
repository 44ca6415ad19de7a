"""`mapek worker`: run a worker in this process."""

import asyncio
import importlib

import typer

from worker.cli import output
from worker.cli.session import current_session
from worker.observability.logging import configure_logging


def worker(ctx: typer.Context) -> None:
    """Run a worker until SIGINT or SIGTERM."""
    session = current_session(ctx)
    configure_logging(session.config)
    for note in session.config.notes:
        output.print_status(note)
    # Imported here only: the other verbs start faster without what a worker needs.
    main = importlib.import_module("worker.main")
    code = asyncio.run(main.run_worker(session.config, reload_config=session.reload))
    if code:
        raise typer.Exit(code)
