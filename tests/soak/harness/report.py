"""What a soak tells at its end: kinds, counts, seed, the coverage table, and whether it came to enough."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.soak.faults.coverage import format_coverage
from tests.soak.faults.injections import FaultInjector
from tests.soak.faults.kills import GATHER_TIMEOUT_SECONDS, MIN_IN_FLIGHT, KillScheduler
from tests.soak.faults.proxy import Fault
from tests.soak.faults.unauthorized_posts import UnauthorizedSender
from tests.soak.harness.workload import Workload

SOAK_SITES = (*((f"c{n}", (f"a{n}",)) for n in range(1, 8)), ("c8", ("a8", "b8")))
"""Charters and the loops upon each; two loops upon one must never hold the same knob."""
KILL_TARGETS = (
    *("kill_worker",) * 19,
    *("kill_server",) * 4,
    *("kill_server_and_worker",) * 2,
    *("freeze_worker", "step_clock"),
)
"""What is killed in a soak of full length, and how often beside the others: of both kinds more than `LEAST`."""
ROUND_SECONDS = 180.0
"""Seconds of faults before everything has to come to rest."""
MIN_COUNTS = {"faults": 1000, "worker_kills_with_four_in_flight": 120, "server_kills": 30}
"""What a soak of full length has to come to."""
FULL_LENGTH_MINUTES = 50.0
"""Minutes from which a soak is of full length: a shorter one is a look, and comes to less."""


@dataclass
class SoakRun:
    """One soak: upon which Charters, for how long a round (seconds), what was done, and what broke.

    `what` is killed, with so `much` in flight if that comes about within `gathers` seconds.
    """

    seed: int
    has_measurements: bool = True
    sites: Sequence[tuple[str, Sequence[str]]] = SOAK_SITES
    round_seconds: float = ROUND_SECONDS
    kill_targets: Sequence[str] = KILL_TARGETS
    min_in_flight: int = MIN_IN_FLIGHT
    gather_timeout_seconds: float = GATHER_TIMEOUT_SECONDS
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    measurements: list[str] = field(default_factory=list)
    started_at: float = field(default_factory=time.monotonic)
    round_count: int = 0

    def print_progress(self, text: str) -> None:
        """Print one line of progress."""
        print(f"{(time.monotonic() - self.started_at) / 60:5.1f} min  {text}", flush=True)

    def count_proxy_fault(self, edge: str, fault: Fault) -> None:
        """Count a fault of a proxy."""
        self.counts[f"{edge}: {fault.value}"] += 1


def build_report(
    run: SoakRun,
    kills: KillScheduler,
    injector: FaultInjector,
    workload: Workload,
    unauthorized_sender: UnauthorizedSender,
) -> dict[str, Any]:
    """Return what was done and what broke, as JSON values."""
    struck = [kill.point for kill in kills.records]
    return {
        "seed": run.seed,
        "measured": run.measurements,
        "minutes": round((time.monotonic() - run.started_at) / 60, 1),
        "faults": sum(run.counts.values()),
        "kinds": dict(sorted(run.counts.items())),
        "worker_kills": run.counts["worker killed"],
        "worker_kills_with_four_in_flight": sum(
            k.is_busy_enough for k in kills.records if k.target.startswith("worker")
        ),
        "server_kills": run.counts["server killed"],
        "server_kills_with_this_in_flight": dict(sorted(count_server_kill_steps(kills).items())),
        "operators": dict(sorted(injector.operator_counts.items())),
        "troubles": workload.incident_count,
        "strangers": dict(
            sorted(Counter(f"{post['kind']}: {post['status']}" for post in unauthorized_sender.posts).items())
        ),
        "waits": dict(kills.wait_counts),
        "open_points": sorted(kills.open_points),
        "table": format_coverage(struck),
        "violations": run.violations,
        "kills": kills.list_records(),
    }


def count_server_kill_steps(kills: KillScheduler) -> Counter[str]:
    """Return how often the server was killed with a remediation in this step."""
    return Counter(step for kill in kills.records if kill.target == "server" for step in kill.steps)


def print_report(report: dict[str, Any], minutes: float) -> int:
    """Print a report. Return 0 without a violation and, at full length, with everything reached; else 1."""
    print("\n".join(report["table"]))
    print(json.dumps({name: value for name, value in report.items() if name not in ("table", "kills")}, indent=2))
    short = [f"{name} {report[name]} < {least}" for name, least in MIN_COUNTS.items() if report[name] < least]
    short += [f"points open: {', '.join(report['open_points'])}"] if report["open_points"] else []
    if short:
        print("not reached: " + "; ".join(short))
    return 1 if report["violations"] or (short and minutes >= FULL_LENGTH_MINUTES) else 0
