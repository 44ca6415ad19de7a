"""Starts the simulator: `python -m deploy.simulator --token-file FILE`."""

import argparse
import asyncio
import ipaddress
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from deploy.simulator.api_faults import ApiFaultInjection
from deploy.simulator.app import build_app
from deploy.simulator.simulator import SimulatorOptions


class _Server(uvicorn.Server):
    """A server that exits with 0 on a signal; uvicorn would raise the signal again."""

    def __init__(self, config: uvicorn.Config, api_faults: ApiFaultInjection) -> None:
        super().__init__(config)
        self._api_faults = api_faults

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        self._api_faults.stopping.set()
        self.should_exit = True


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal; return 0, or 2 for a usage error."""
    parsed = _build_parser().parse_args(argv)
    if parsed.control_api and not _is_loopback(parsed.host):
        return _report_usage_error(f"--control-api needs no token, so --host {parsed.host} must be a loopback address")
    if not 0.0 <= parsed.simulate_failures <= 1.0:
        return _report_usage_error(f"--simulate-failures {parsed.simulate_failures} must be from 0 to 1")
    try:
        token = parsed.token_file.read_text(encoding="utf-8").strip()
        family = socket.AF_INET6 if ":" in parsed.host else socket.AF_INET
        listener = socket.create_server((parsed.host, parsed.port), family=family)
        # Connections inherit the option. Without it each body arrives 40 ms after its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, OverflowError, UnicodeDecodeError) as error:
        return _report_usage_error(str(error))
    if not token:
        return _report_usage_error(f"{parsed.token_file} is empty; it must contain the bearer token")
    options = SimulatorOptions(token, parsed.control_api, parsed.seed, parsed.simulate_failures)
    return _serve(options, listener)


def _serve(options: SimulatorOptions, listener: socket.socket) -> int:
    app = build_app(options)
    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    host, port = listener.getsockname()[:2]
    print(f"charter simulator on http://{f'[{host}]' if ':' in host else host}:{port}", file=sys.stderr, flush=True)
    _Server(config, app).run(sockets=[listener])
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.simulator", description="Simulated Charter service.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 chooses a free port")
    parser.add_argument("--token-file", type=Path, required=True, help="file with the bearer token")
    parser.add_argument("--control-api", action="store_true", help="serve /sim without a token; loopback only")
    parser.add_argument("--seed", type=int, default=0, help="seed of noise and simulated failures")
    parser.add_argument(
        "--simulate-failures", type=float, default=0.0, metavar="RATE", help="fraction of failing API requests, 0 to 1"
    )
    return parser


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _report_usage_error(reason: str) -> int:
    print(f"charter simulator: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
