"""Hunts for a broken invariant in harsh lives: prints what it finds first and ends with 1, or with 0 if nothing."""

import argparse
import sys

from tests.simulation.driver import Temper
from tests.simulation.lives import live

CYCLES = 250


def main() -> int:
    """Play lives until one breaks an invariant."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.hunt", description=__doc__)
    parser.add_argument("--lives", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parsed = parser.parse_args()
    for seed in range(parsed.first_seed, parsed.first_seed + parsed.lives):
        violations = live(seed, CYCLES, Temper.HARSH).violations
        for violation in violations:
            print(violation)
        if violations:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
