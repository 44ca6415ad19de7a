"""What a soak tells at its end: kinds, counts, seed, the coverage table, and whether it came to enough."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.soak.faults.coverage import table
from tests.soak.faults.injections import Hands
from tests.soak.faults.kills import GATHERS, MUCH, Kills
from tests.soak.faults.proxy import Fault
from tests.soak.faults.unauthorized_posts import Strangers
from tests.soak.harness.workload import Traffic

SITES = (*((f"c{n}", (f"a{n}",)) for n in range(1, 8)), ("c8", ("a8", "b8")))
"""Charters and the loops upon each; two loops upon one must never hold the same knob."""
KILLED = ("worker",) * 19 + ("server",) * 4 + ("both",) * 2 + ("freeze", "clock")
"""What is killed in a soak of full length, and how often beside the others: of both kinds more than `LEAST`."""
ROUND = 180.0
"""Seconds of faults before everything has to come to rest."""
LEAST = {"faults": 1000, "worker_kills_with_four_in_flight": 120, "server_kills": 30}
"""What a soak of full length has to come to."""
FULL_LENGTH = 50.0
"""Minutes from which a soak is of full length: a shorter one is a look, and comes to less."""


@dataclass
class Soak:
    """One soak: upon which Charters, for how long a round (seconds), what was done, and what broke.

    `what` is killed, with so `much` in flight if that comes about within `gathers` seconds.
    """

    seed: int
    measuring: bool = True
    sites: Sequence[tuple[str, Sequence[str]]] = SITES
    round: float = ROUND
    what: Sequence[str] = KILLED
    much: int = MUCH
    gathers: float = GATHERS
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    rounds: int = 0

    def say(self, text: str) -> None:
        """Print one line of progress."""
        print(f"{(time.monotonic() - self.began) / 60:5.1f} min  {text}", flush=True)

    def spoiled(self, edge: str, fault: Fault) -> None:
        """Count a fault of a proxy."""
        self.counts[f"{edge}: {fault.value}"] += 1


def report(run: Soak, kills: Kills, hands: Hands, traffic: Traffic, strangers: Strangers) -> dict[str, Any]:
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
        "server_kills_with_this_in_flight": dict(sorted(met(kills).items())),
        "operators": dict(sorted(hands.operators.items())),
        "troubles": traffic.incidents,
        "strangers": dict(sorted(Counter(f"{post['kind']}: {post['status']}" for post in strangers.posts).items())),
        "waits": dict(kills.waits),
        "open_points": sorted(kills.open),
        "table": table(struck),
        "violations": run.violations,
        "kills": kills.report(),
    }


def met(kills: Kills) -> Counter[str]:
    """Return how often the server was killed with a remediation in this step."""
    return Counter(step for kill in kills.done if kill.what == "server" for step in kill.steps)


def told_of(told: dict[str, Any], minutes: float) -> int:
    """Print a report. Return 0 without a violation and, at full length, with everything reached; else 1."""
    print("\n".join(told["table"]))
    print(json.dumps({name: value for name, value in told.items() if name not in ("table", "kills")}, indent=2))
    short = [f"{name} {told[name]} < {least}" for name, least in LEAST.items() if told[name] < least]
    short += [f"points open: {', '.join(told['open_points'])}"] if told["open_points"] else []
    if short:
        print("not reached: " + "; ".join(short))
    return 1 if told["violations"] or (short and minutes >= FULL_LENGTH) else 0
