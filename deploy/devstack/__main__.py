"""The embedded stack from the command line: `python -m deploy.devstack run | demo | setup`."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.devstack import binaries
from deploy.devstack.errors import DevStackError
from deploy.devstack.layout import STACK_SERVICES
from deploy.devstack.profiles import TIMING_PROFILES

if TYPE_CHECKING:
    from deploy.devstack.stack import RunningStack, StackOptions

_EXIT_INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run a command and return the exit code: 0 success, 1 failure, 2 usage error, 130 interrupted."""
    options = _build_parser().parse_args(argv)
    commands = {"setup": _setup, "run": _run, "demo": _demo}
    try:
        return asyncio.run(_run_until_signal(commands[options.command](options), options.command))
    except DevStackError as error:
        if not error.already_shown:
            print(f"deploy.devstack: {error}", file=sys.stderr, flush=True)
        return error.exit_code


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.devstack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup", help="find the servers' binaries and install missing ones")
    setup.add_argument(
        "--cluster", action="store_true", help="also the binaries of a Temporal cluster (about 3 minutes)"
    )
    setup.add_argument("--tools", action="store_true", help="also the tools of the tests (about a minute)")
    for name, text, profile in (
        ("run", "start the stack and keep it running until Ctrl-C", "real"),
        ("demo", "start the stack, play the scripted incidents, stop the stack", "demo"),
    ):
        command = commands.add_parser(name, help=text)
        state = Path(os.environ.get("MAPEK_STATE") or ".mapek")
        command.add_argument("--state", type=Path, default=state, help="state folder (default: %(default)s)")
        command.add_argument(
            "--keep", action="store_true", help="keep the data of the previous stack in the state folder"
        )
        command.add_argument("--config", type=Path, help="your configuration file; the stack adds its addresses")
        command.add_argument("--seed", type=int, default=1, help="seed of the simulator (default: %(default)s)")
        command.add_argument(
            "--services", type=_parse_services, help=f"start only these services (default: {','.join(STACK_SERVICES)})"
        )
        command.add_argument(
            "--profile", choices=TIMING_PROFILES, default=profile, help="timings (default: %(default)s)"
        )
    return parser


def _parse_services(text: str) -> frozenset[str]:
    names = frozenset(text.split(","))
    if unknown := names.difference(STACK_SERVICES):
        raise argparse.ArgumentTypeError(
            f"unknown service: {', '.join(sorted(unknown))}; use {','.join(STACK_SERVICES)}"
        )
    return names


async def _run_until_signal(command: Coroutine[Any, Any, int], command_name: str) -> int:
    """Run a command; the first signal stops it in order, later signals are ignored."""
    task, stopped = asyncio.create_task(command), False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            _print_line("stopping")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not stopped:
            raise
        return 0 if command_name == "run" else _EXIT_INTERRUPTED


async def _setup(options: argparse.Namespace) -> int:
    binary_names = (
        *binaries.DEFAULT_BINARIES,
        *(binaries.CLUSTER_BINARIES if options.cluster else ()),
        *(binaries.TOOL_BINARIES if options.tools else ()),
    )
    for name, binary in (await binaries.ensure_binaries(binary_names, report=_print_line)).items():
        _print_line(f"{name:<18}{binary.path}: {binary}")
    return 0


async def _run(options: argparse.Namespace) -> int:
    # Not at the top: set-up needs no Temporal client, and loading it takes a second.
    from deploy.devstack.stack import running_stack

    async with running_stack(_build_stack_options(options)) as stack:
        _print_line("the stack is ready:")
        _print_line(format_links(stack))
        _print_line("running until Ctrl-C")
        await stack.wait()
    return 0


async def _demo(options: argparse.Namespace) -> int:
    from deploy.devstack.demo import run_demo
    from deploy.devstack.stack import running_stack

    async with running_stack(_build_stack_options(options)) as stack:
        _print_line("the stack is ready:")
        _print_line(format_links(stack))
        return await stack.run_while_up(run_demo(stack, options.seed))


def format_links(stack: "RunningStack") -> str:
    """Return the addresses and files of the stack, one line each."""
    addresses = stack.addresses
    rows = {
        "Temporal UI": addresses.temporal_ui,
        "Temporal": f"{addresses.temporal} (namespace {addresses.namespace})",
        "Prometheus": addresses.prometheus,
        "Alertmanager": addresses.alertmanager,
        "Charter": addresses.charter,
        "MAPE-K": addresses.mapek,
        "configuration": str(stack.state.config_file),
        "logs": str(stack.state.logs),
    }
    rows |= {f"{name} version": version for name, version in stack.versions.items()}
    return "\n".join(f"  {name:<21}{text}" for name, text in rows.items())


def _build_stack_options(options: argparse.Namespace) -> "StackOptions":
    from deploy.devstack.stack import StackOptions

    return StackOptions(
        state_dir=options.state,
        keep_data=options.keep,
        config=options.config,
        seed=options.seed,
        profile=options.profile,
        services=options.services or frozenset(STACK_SERVICES),
        report=_print_line,
    )


def _print_line(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
