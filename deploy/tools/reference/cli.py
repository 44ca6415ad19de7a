"""The verbs of `mapek`, from the command itself."""

from collections.abc import Iterator
from typing import Any

import typer.main

from deploy.tools.reference.table import markdown_code, markdown_page, markdown_table
from worker.cli.main import app


def build_cli_page() -> str:
    """Return the page of all verbs with their arguments and options."""
    group: Any = typer.main.get_command(app)
    own = markdown_table(("Option", "Meaning"), (build_parameter_row(one) for one in visible_options(group)))
    verbs = [render_command(name, command) for name, command in iter_commands(group, "mapek")]
    return markdown_page("Command line", group.help, "Options of every verb, before or behind it:", own, *verbs)


def iter_commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Yield the verbs below a group, by their whole name."""
    for own, command in group.commands.items():
        whole = f"{prefix} {own}"
        if hasattr(command, "commands"):
            yield from iter_commands(command, whole)
        else:
            yield whole, command


def render_command(name: str, command: Any) -> str:
    """Return the section of one verb."""
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    usage = " ".join([name, *(format_metavar(one) for one in arguments)])
    about = " ".join((command.help or "").split())
    rows = [build_parameter_row(one) for one in [*arguments, *visible_options(command)]]
    return "\n\n".join([f"## {usage}", about, *([markdown_table(("Option", "Meaning"), rows)] if rows else [])])


def visible_options(command: Any) -> list[Any]:
    """Return a command's options, but for those every command has."""
    hidden = ("help", "install_completion", "show_completion")
    return [one for one in command.params if one.param_type_name == "option" and one.name not in hidden]


def build_parameter_row(parameter: Any) -> tuple[str, str]:
    """Return an argument's or option's row."""
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
    """Return what an argument is called where it is used."""
    return str(argument.metavar or argument.name.upper())
