"""Search harsh lives for a violation: print the violations, and end with 1 at the first life that has one, else with 0.

With `--of I3 I4` only violations of these invariants end the search; others are printed.
"""

import argparse
import sys

from tests.simulation.batch import play_life
from tests.simulation.driver import FaultProfile

CYCLES_PER_LIFE = 250


def main() -> int:
    """Play lives until one has a violation; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.find_violation", description=__doc__)
    parser.add_argument("--lives", type=int, default=20, help="most lives to play")
    parser.add_argument("--first-seed", type=int, default=1, help="seed of the first life")
    parser.add_argument("--of", nargs="*", default=[], help="invariants that end the search (default: all)")
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
