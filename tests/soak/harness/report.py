"""The report of a soak: kinds, counts, seed, the coverage table, and whether the minimum counts were reached."""

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
"""Charters and the loops of each; two loops of one Charter must never hold the same knob."""
KILL_TARGETS = (
    *("kill_worker",) * 19,
    *("kill_server",) * 4,
    *("kill_server_and_worker",) * 2,
    *("freeze_worker", "step_clock"),
)
"""The targets of a soak of full length with their weights, so that the counts exceed `MIN_COUNTS`."""
ROUND_SECONDS = 180.0
"""Seconds of faults before everything must come to rest."""
MIN_COUNTS = {"faults": 1000, "worker_kills_with_four_in_flight": 120, "server_kills": 30}
"""The minimum counts of a soak of full length."""
FULL_LENGTH_MINUTES = 50.0
"""Minutes from which a soak is of full length; a shorter one need not reach the minimum counts."""


@dataclass
class SoakRun:
    """One soak: its Charters and time limits, the injected faults and the violations.

    `kill_targets` are killed with `min_in_flight` remediations in flight, or after `gather_timeout_seconds` with fewer.
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
    """Return the faults and the violations as JSON values."""
    killed_points = [kill.point for kill in kills.records]
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
        "incidents": workload.incident_count,
        "unauthorized_posts": dict(
            sorted(Counter(f"{post['kind']}: {post['status']}" for post in unauthorized_sender.posts).items())
        ),
        "waits": dict(kills.wait_counts),
        "open_points": sorted(kills.open_points),
        "table": format_coverage(killed_points),
        "violations": run.violations,
        "kills": kills.list_records(),
    }


def count_server_kill_steps(kills: KillScheduler) -> Counter[str]:
    """Return the number of server kills by the steps in flight."""
    return Counter(step for kill in kills.records if kill.target == "server" for step in kill.steps)


def print_report(report: dict[str, Any], minutes: float) -> int:
    """Print a report. Return 0 without a violation and, at full length, with everything reached; else 1."""
    print("\n".join(report["table"]))
    print(json.dumps({name: value for name, value in report.items() if name not in ("table", "kills")}, indent=2))
    shortfalls = [
        f"{name} {report[name]} < {minimum}" for name, minimum in MIN_COUNTS.items() if report[name] < minimum
    ]
    shortfalls += [f"points open: {', '.join(report['open_points'])}"] if report["open_points"] else []
    if shortfalls:
        print("not reached: " + "; ".join(shortfalls))
    return 1 if report["violations"] or (shortfalls and minutes >= FULL_LENGTH_MINUTES) else 0
