"""What a soak tells at its end: kinds, counts, seed, the coverage table, and whether it came to enough."""

import json
import time
from typing import TYPE_CHECKING, Any

from tests.faults.cells import table
from tests.faults.kills import Kills
from tests.faults.traffic import Traffic

if TYPE_CHECKING:
    from tests.faults.soak import Soak

LEAST = {"faults": 1000, "worker_kills_with_four_in_flight": 120, "server_kills": 30}
"""What a soak of full length has to come to."""
FULL_LENGTH = 50.0
"""Minutes from which a soak is of full length: a shorter one is a look, and comes to less."""


def report(run: "Soak", kills: Kills, traffic: Traffic) -> dict[str, Any]:
    """Return what was done and what broke, as JSON values."""
    struck = [kill.where for kill in kills.done]
    return {
        "seed": run.seed,
        "measured": run.figures,
        "minutes": round((time.monotonic() - run.began) / 60, 1),
        "faults": sum(run.counts.values()),
        "kinds": dict(sorted(run.counts.items())),
        "worker_kills": run.counts["worker killed"],
        "worker_kills_with_four_in_flight": sum(k.counts for k in kills.done if k.what.startswith("worker")),
        "server_kills": run.counts["server killed"],
        "troubles": traffic.incidents,
        "waits": dict(kills.waits),
        "open_points": sorted(kills.open),
        "table": table(struck),
        "violations": run.violations,
        "kills": kills.report(),
    }


def told_of(told: dict[str, Any], minutes: float) -> int:
    """Print a report. Return 0 without a violation and, at full length, with everything reached; else 1."""
    print("\n".join(told["table"]))
    print(json.dumps({name: value for name, value in told.items() if name not in ("table", "kills")}, indent=2))
    short = [f"{name} {told[name]} < {least}" for name, least in LEAST.items() if told[name] < least]
    short += [f"points open: {', '.join(told['open_points'])}"] if told["open_points"] else []
    if short:
        print("not reached: " + "; ".join(short))
    return 1 if told["violations"] or (short and minutes >= FULL_LENGTH) else 0
