"""The verbs of `mapek`, from the command itself."""

from collections.abc import Iterator
from typing import Any

import typer.main

from deploy.tools.reference.table import code, page, table
from worker.cli.main import app


def cli_page() -> str:
    """Return the page of all verbs with their arguments and options."""
    group: Any = typer.main.get_command(app)
    own = table(("Option", "Meaning"), (option(one) for one in shown(group)))
    verbs = [verb(name, command) for name, command in leaves(group, "mapek")]
    return page("Command line", group.help, "Options of every verb, before or behind it:", own, *verbs)


def leaves(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the verbs below a group, by their whole name."""
    for own, command in group.commands.items():
        whole = f"{name} {own}"
        if hasattr(command, "commands"):
            yield from leaves(command, whole)
        else:
            yield whole, command


def verb(name: str, command: Any) -> str:
    """Return the section of one verb."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join([name, *(metavar(one) for one in arguments)])
    about = " ".join((command.help or "").split())
    rows = [option(one) for one in [*arguments, *shown(command)]]
    return "\n\n".join([f"## {usage}", about, *([table(("Option", "Meaning"), rows)] if rows else [])])


def shown(command: Any) -> list[Any]:
    """Return a command's options, but for those every command has."""
    hidden = ("help", "install_completion", "show_completion")
    return [one for one in command.params if one.param_type_name == "option" and one.name not in hidden]


def option(one: Any) -> tuple[str, str]:
    """Return an argument's or option's row."""
    names = one.opts if one.param_type_name == "option" else [metavar(one)]
    default = "" if one.default in (None, False, "", ()) or callable(one.default) else f" Default: {one.default}."
    return ", ".join(code(name) for name in [*names, *one.secondary_opts]), f"{one.help or ''}{default}"


def metavar(argument: Any) -> str:
    """Return what an argument is called where it is used."""
    return str(argument.metavar or argument.name.upper())
