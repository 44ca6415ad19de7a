"""What the way in bears: `make load-alerts`. Prints one line of figures a scenario; fails where a bound is missed."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.load.alerts.rates import run_alert_to_apply, run_sequential_posts, run_steady_rate
from tests.load.alerts.storms import run_burst, run_many_groups, run_temporal_outage, run_worker_kill
from tests.support.alert_stack import AlertStack, running_alert_stack

Scenario = Callable[[AlertStack], Awaitable[bool]]


def list_scenarios(minutes: float) -> dict[str, Scenario]:
    """Return all of them; the steady one takes `minutes`."""
    return {
        "groups": run_many_groups,
        "one-by-one": run_sequential_posts,
        "to-charter": run_alert_to_apply,
        "burst": run_burst,
        "killed": run_worker_kill,
        "outage": run_temporal_outage,
        "steady": partial(run_steady_rate, minutes=minutes),
    }


async def main(names: list[str], minutes: float) -> int:
    """Run the scenarios, each on a stack of its own, and return the exit code."""
    good, known = True, list_scenarios(minutes)
    for name in names or known:
        with tempfile.TemporaryDirectory() as folder:
            async with running_alert_stack(Path(folder) / "state", orchestrator={"loop_interval": 600}) as rig:
                good &= await known[name](rig)
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=", ".join(list_scenarios(0)))
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the steady scenario takes")
    options = parser.parse_args()
    code = asyncio.run(main(options.scenarios, options.minutes))
    sys.stdout.flush()
    # The SDK's threads sometimes abort an interpreter that ends normally.
    os._exit(code)
