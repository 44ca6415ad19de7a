"""`mapek config check`: check a configuration file."""

from pathlib import Path
from typing import Annotated

import typer

from activities.model.errors import ConfigurationError
from worker.cli import output
from worker.cli.session import JsonOption, Session, current_session


def check(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Default: the file that every verb uses.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a configuration: print OK with notes, or every error with its line and fix."""
    session = current_session(ctx)
    session = Session(file=file or session.file, state=session.state, flags=session.flags)
    try:
        config = session.config
    except ConfigurationError as error:
        if not as_json:
            raise
        output.print_json({"ok": False, "problems": str(error).splitlines()})
        raise typer.Exit(2) from None
    loop_names = [loop.name for loop in config.loops]
    if as_json:
        return output.print_json({"ok": True, "file": config.file, "loops": loop_names, "notes": config.notes})
    output.print_line(f"OK: {config.file or 'defaults'}, loops {', '.join(loop_names)}")
    output.print_list("Notes", config.notes)
    return None
