"""Hunts for a broken invariant in harsh lives: prints what it finds and ends with 1 at the first, with 0 at none.

With `--of I3 I4` only these count; of others it tells, and hunts on.
"""

import argparse
import sys

from tests.simulation.batch import play_life
from tests.simulation.driver import FaultProfile

CYCLES_PER_LIFE = 250


def main() -> int:
    """Play lives until one breaks an invariant."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.find_violation", description=__doc__)
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--of", nargs="*", default=[], help="invariants that count; none: all")
    parsed = parser.parse_args()
    for seed in range(parsed.first_seed, parsed.first_seed + parsed.lives):
        violations = play_life(seed, CYCLES_PER_LIFE, FaultProfile.HARSH).violations
        for violation in violations:
            print(violation)
        if any(not parsed.of or violation.invariant in parsed.of for violation in violations):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
