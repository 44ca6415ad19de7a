"""The `mapek` command: its verbs and its exit codes.

Exit codes: 0 done, 1 the answer is no, 2 wrong use or configuration, 3 a server cannot be reached.
"""

import itertools
import logging
import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup

from activities.model.errors import ConfigurationError, MapekError, RetryableError, Unauthorized
from worker.cli import (
    alert,
    audit,
    autonomy,
    backtest,
    backup,
    bootstrap,
    config_check,
    control,
    doctor,
    explain,
    notify,
    output,
    run_cycle,
    status,
    undo,
    worker_process,
)
from worker.cli.session import Session
from worker.config.document import KeyPath

EXIT_NO, EXIT_USAGE, EXIT_UNAVAILABLE = 1, 2, 3
EXIT_INTERRUPTED = 130

_GLOBAL_OPTIONS = (
    "--config",
    "--state",
    "--temporal-address",
    "--temporal-namespace",
    "--temporal-ui",
    "--prometheus",
    "--charter",
    "--alertmanager",
)
"""Options of `mapek` itself; they are also accepted behind the verb."""

FORMER_OPTIONS = {
    "--diff": "--dry-run",
    "--out": "--output",
    "--signal": "--detach",
    "--who": "--actor",
    "--why": "--reason",
    "--within": "--timeout",
}
"""Options that were renamed, with their present names. The former ones are refused."""


class CommandGroup(TyperGroup):
    """The group of verbs: accepts its own options anywhere, and maps errors to exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse former options, and move the group's own options to the front."""
        refuse_former_options(args)
        return super().parse_args(ctx, hoist_global_options(args))

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; print its error to standard error, one line per problem."""
        try:
            return super().invoke(ctx)
        except MapekError as error:
            output.print_status(str(error))
            raise typer.Exit(exit_code(error)) from None


def exit_code(error: MapekError) -> int:
    """Return the exit code for an error."""
    if isinstance(error, (ConfigurationError, Unauthorized)):
        return EXIT_USAGE
    return EXIT_UNAVAILABLE if isinstance(error, RetryableError) else EXIT_NO


def refuse_former_options(args: list[str]) -> None:
    """Raise BadParameter for an option under its former name, with the present one."""
    for arg in itertools.takewhile(lambda arg: arg != "--", args):
        name = arg.split("=", 1)[0]
        if name in FORMER_OPTIONS:
            raise typer.BadParameter(f"option {name} was renamed: use {FORMER_OPTIONS[name]}")


def hoist_global_options(args: list[str]) -> list[str]:
    """Return the arguments with the group's own options and their values first."""
    front: list[str] = []
    rest: list[str] = []
    remaining = iter(args)
    for arg in remaining:
        if arg == "--":
            return [*front, *rest, arg, *remaining]
        if arg in _GLOBAL_OPTIONS:
            front += [arg, *[value for value in [next(remaining, None)] if value is not None]]
        else:
            (front if arg.split("=", 1)[0] in _GLOBAL_OPTIONS else rest).append(arg)
    return [*front, *rest]


RICH_MARKUP: Literal["rich"] | None = "rich" if sys.stdout.isatty() and sys.stderr.isatty() else None
"""Frames and colours in help and errors on a terminal, plain lines elsewhere."""

app = typer.Typer(
    cls=CommandGroup,
    name="mapek",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=RICH_MARKUP,
)
alert_app = typer.Typer(no_args_is_help=True, rich_markup_mode=RICH_MARKUP, help="Alerts.")
notify_app = typer.Typer(no_args_is_help=True, rich_markup_mode=RICH_MARKUP, help="Notifications.")
config_app = typer.Typer(no_args_is_help=True, rich_markup_mode=RICH_MARKUP, help="The configuration.")

UrlOption = Annotated[str | None, typer.Option(metavar="URL", help="Overrides the configuration.")]


def print_version(value: bool) -> None:
    """Print the version and exit, if the option is given."""
    if value:
        output.print_line(f"mapek {version('mapek')}")
        raise typer.Exit


@app.callback()
def configure_session(  # noqa: PLR0913 - a command's options are its parameters
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Option(help="The configuration file. Default: MAPEK_CONFIG.")] = None,
    state: Annotated[Path | None, typer.Option(help="The state folder. Default: MAPEK_STATE, then .mapek.")] = None,
    temporal_address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Overrides TEMPORAL_ADDRESS.")
    ] = None,
    temporal_namespace: Annotated[str | None, typer.Option(help="Overrides TEMPORAL_NAMESPACE.")] = None,
    temporal_ui: UrlOption = None,
    prometheus: UrlOption = None,
    charter: UrlOption = None,
    alertmanager: UrlOption = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A durable self-healing loop for Charter: monitor it, decide, repair."""
    flags: dict[KeyPath, str | None] = {
        ("temporal", "address"): temporal_address,
        ("temporal", "namespace"): temporal_namespace,
        ("temporal", "ui_url"): temporal_ui,
        ("monitor", "prometheus_url"): prometheus,
        ("execute", "charter_url"): charter,
        ("alertmanager", "url"): alertmanager,
    }
    ctx.obj = Session(file=config, state=state, flags=flags)


app.command("worker")(worker_process.worker)
app.command("bootstrap")(bootstrap.bootstrap)
app.command("run")(run_cycle.run_cycle)
app.command("status")(status.status)
app.command("cycles")(status.cycles)
app.command("explain")(explain.explain)
app.command("autonomy")(autonomy.autonomy)
app.command("audit")(audit.audit)
app.command("approve")(control.approve)
app.command("reject")(control.reject)
app.command("pause")(control.pause)
app.command("resume")(control.resume)
app.command("stop")(control.stop)
app.command("undo")(undo.undo)
app.command("backtest")(backtest.backtest)
app.command("doctor")(doctor.doctor)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
alert_app.command("inject")(alert.inject)
app.add_typer(alert_app, name="alert")
notify_app.command("test")(notify.send_test)
app.add_typer(notify_app, name="notify")
config_app.command("check")(config_check.check)
app.add_typer(config_app, name="config")


def run(args: list[str]) -> int:
    """Run `mapek` with these arguments and return its exit code."""
    # Verbs print their own errors; log lines of the SDK would disturb them.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        app(args)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else EXIT_NO if stop.code else 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


def main() -> NoReturn:
    """End the process with the exit code of `run`.

    It uses `os._exit`: during interpreter shutdown the SDK's threads sometimes abort, and the exit code would be lost.
    """
    try:
        code = run(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        code = EXIT_NO
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # The reader has closed the pipe, as `head` does.
            continue
    os._exit(code)


if __name__ == "__main__":
    main()
