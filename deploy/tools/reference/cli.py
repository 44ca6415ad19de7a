"""The reference page of the commands of `mapek`."""

from collections.abc import Iterator
from typing import Any

import typer.main

from deploy.tools.reference.table import markdown_code, markdown_page, markdown_table
from worker.cli.main import app


def build_cli_page() -> str:
    """Return the page of all commands with their arguments and options."""
    group: Any = typer.main.get_command(app)
    global_options = markdown_table(("Option", "Meaning"), map(build_parameter_row, visible_options(group)))
    commands = [render_command(name, command) for name, command in iter_commands(group, "mapek")]
    return markdown_page(
        "Command line", group.help, "Options of every command, before or behind it:", global_options, *commands
    )


def iter_commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the commands of a group by their full name."""
    for name, command in group.commands.items():
        full_name = f"{prefix} {name}"
        if hasattr(command, "commands"):
            yield from iter_commands(command, full_name)
        else:
            yield full_name, command


def render_command(name: str, command: Any) -> str:
    """Return the section of one command."""
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    usage = " ".join([name, *map(format_metavar, arguments)])
    description = " ".join((command.help or "").split())
    rows = [build_parameter_row(parameter) for parameter in [*arguments, *visible_options(command)]]
    return "\n\n".join([f"## {usage}", description, *([markdown_table(("Option", "Meaning"), rows)] if rows else [])])


def visible_options(command: Any) -> list[Any]:
    """Return the options of a command without those that typer adds to every command."""
    hidden = ("help", "install_completion", "show_completion")
    return [
        parameter
        for parameter in command.params
        if parameter.param_type_name == "option" and parameter.name not in hidden
    ]


def build_parameter_row(parameter: Any) -> tuple[str, str]:
    """Return the row of an argument or an option."""
    names = parameter.opts if parameter.param_type_name == "option" else [format_metavar(parameter)]
    default = (
        ""
        if parameter.default in (None, False, "", ()) or callable(parameter.default)
        else f" Default: {parameter.default}."
    )
    return ", ".join(
        markdown_code(name) for name in [*names, *parameter.secondary_opts]
    ), f"{parameter.help or ''}{default}"


def format_metavar(argument: Any) -> str:
    """Return the name of an argument in the usage line."""
    return str(argument.metavar or argument.name.upper())
