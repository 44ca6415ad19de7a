"""What the way in bears: `make load-alerts`. Prints one line of figures a scenario; fails where a bound is missed."""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tests.load.alerts.rates import one_by_one, steady, to_charter
from tests.load.alerts.storms import burst, groups, killed, outage
from tests.support.alert_stack import Rig, running_rig

Scenario = Callable[[Rig], Awaitable[bool]]


def scenarios(minutes: float) -> dict[str, Scenario]:
    """Return all of them; the steady one takes `minutes`."""
    return {
        "groups": groups,
        "one-by-one": one_by_one,
        "to-charter": to_charter,
        "burst": burst,
        "killed": killed,
        "outage": outage,
        "steady": partial(steady, minutes=minutes),
    }


async def main(wanted: list[str], minutes: float) -> int:
    """Run the scenarios, each on a stack of its own, and return the exit code."""
    good, known = True, scenarios(minutes)
    for name in wanted or known:
        with tempfile.TemporaryDirectory() as folder:
            async with running_rig(Path(folder) / "state", orchestrator={"loop_interval": 600}) as rig:
                good &= await known[name](rig)
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", help=", ".join(scenarios(0)))
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the steady scenario takes")
    options = parser.parse_args()
    code = asyncio.run(main(options.scenarios, options.minutes))
    sys.stdout.flush()
    # The SDK's threads sometimes abort an interpreter that ends by itself.
    os._exit(code)
