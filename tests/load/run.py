"""`python -m tests.load.run`: a stack of its own, locust against its worker, a report, and limits that must hold.

No request may fail, and p95 of every answer must be below 5 s. Slower probes would restart a worker that is only busy.
Alertmanager, which gives up after 10 s, would post the same alerts again.
"""

import argparse
import asyncio
import csv
import json
import os
import sys
import tempfile
from pathlib import Path

from deploy.devstack.stack import StackOptions, running_stack

HERE = Path(__file__).parent
WEBHOOK_PATH = "/webhooks/alerts"
MAX_P95_MILLISECONDS = 5000.0
"""Milliseconds."""


async def main(arguments: list[str]) -> int:
    """Run the load; 0 only if all limits hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.run", description=__doc__)
    parser.add_argument("--users", type=int, default=20, help="half of them post alerts (default: %(default)s)")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--report", type=Path, default=Path("load-report.html"))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        stack_options = StackOptions(Path(folder) / "state", profile="demo", report=lambda _: None)
        async with running_stack(stack_options) as stack:
            token = stack.state.path / "webhook.token"
            await run_locust(options, stack.addresses.mapek, token, Path(folder) / "load")
        rows = read_statistics(Path(folder) / "load_stats.csv")
    found = find_broken_limits(rows)
    print(json.dumps({"report": str(options.report), "rows": rows, "broken": found}, indent=1))
    return 1 if found else 0


async def run_locust(options: argparse.Namespace, url: str, token: Path, csv_prefix: Path) -> None:
    """Let locust drive the load and write its report."""
    command = [
        *(str(Path(sys.executable).with_name("locust")), "--headless", "--locustfile", str(HERE / "locustfile.py")),
        *("--host", url, "--users", str(options.users), "--spawn-rate", str(options.users)),
        *("--run-time", f"{options.seconds}s", "--exit-code-on-error", "0", "--only-summary", "--loglevel", "WARNING"),
        *("--html", str(options.report), "--csv", str(csv_prefix)),
    ]
    environment = {**os.environ, "MAPEK_LOAD_TOKEN_FILE": str(token)}
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.DEVNULL)
    await process.wait()


def read_statistics(file: Path) -> dict[str, dict[str, float]]:
    """Return what locust measured: requests, failures, requests a second, milliseconds, by route."""
    kept = {
        "Request Count": "requests",
        "Failure Count": "failures",
        "Requests/s": "per_second",
        "50%": "p50",
        "95%": "p95",
    }
    with file.open(encoding="utf-8") as text:
        rows = {row["Name"]: row for row in csv.DictReader(text)}
    return {name: {short: float(row[column]) for column, short in kept.items()} for name, row in rows.items()}


def find_broken_limits(rows: dict[str, dict[str, float]]) -> list[str]:
    """Return the limits that did not hold."""
    found = [f"{name}: {row['failures']:.0f} failed" for name, row in rows.items() if row["failures"]]
    if WEBHOOK_PATH not in rows:
        return [*found, f"{WEBHOOK_PATH}: was never posted to"]
    return [
        *found,
        *(f"{name}: p95 {row['p95']:.0f} ms" for name, row in rows.items() if row["p95"] > MAX_P95_MILLISECONDS),
    ]


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
