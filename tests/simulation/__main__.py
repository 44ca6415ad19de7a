"""`make simulate`: a million cycles in virtual time, on all cores, with figures on screen and in a file."""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from tests.simulation.batch import Found, live
from tests.simulation.driver import Temper

CYCLES = 2000
"""Cycles of one life: long enough to learn, short enough that a seed is played again in seconds."""
TELL_SECONDS = 15.0
"""Between two lines about the progress."""
PEACEFUL = 60_000
"""Cycles without a fault, in which nothing may be done."""
INVARIANTS = (*(f"I{number}" for number in range(1, 11)), "fence", "quorum", "churn", "storm")
"""I1: done twice; fence: stale and applied; I4: applied without anybody who answers for it; I8: moved back twice."""
WANTED = {"cycles": 1_000_000, "incidents": 10_000}
VERDICTS = ("fixed", "improved", "no_effect", "worse", "inconclusive")
EACH = 100
"""How often every verdict has to come."""


def main() -> int:
    """Play all lives; return 0 if no invariant broke and everything came often enough."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--lives", type=int, default=WANTED["cycles"] // CYCLES + 1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--peaceful", type=int, default=PEACEFUL, help="cycles without a fault")
    parser.add_argument("--json", type=Path, default=None, help="file for the figures")
    parsed = parser.parse_args()
    started = time.monotonic()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        lives = pool.imap_unordered(partial(live, cycles=CYCLES), seeds(parsed.first_seed, parsed.lives))
        found = gathered(lives, Progress("troubled lives", parsed.lives))
        peaceful_lives = -(-parsed.peaceful // CYCLES)
        quiet = partial(live, cycles=CYCLES, temper=Temper.PEACEFUL)
        lives = pool.imap_unordered(quiet, seeds(parsed.first_seed, peaceful_lives))
        peace = gathered(lives, Progress("peaceful lives", peaceful_lives))
    short = shortfalls(found, peace, full=parsed.lives * CYCLES >= WANTED["cycles"])
    report = {
        "seconds": round(time.monotonic() - started, 1),
        "seeds": [parsed.first_seed, parsed.first_seed + parsed.lives - 1],
        "broken": broken(found, peace),
        "figures": dict(sorted(found.figures.items())),
        "peaceful": dict(sorted(peace.figures.items())),
        "violations": [str(one) for one in found.violations + peace.violations],
        "short of": short,
    }
    print(json.dumps(report, indent=1))
    if parsed.json:
        parsed.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 1 if report["violations"] or short else 0


def broken(*parts: Found) -> dict[str, int]:
    """Return how often each invariant was broken; all of them are named, also those that never were."""
    counted = Counter(dict.fromkeys(INVARIANTS, 0))
    counted.update(violation.invariant for part in parts for violation in part.violations)
    return dict(counted)


def seeds(first: int, count: int) -> range:
    """Return the seeds of so many lives."""
    return range(first, first + count)


class Progress:
    """Tells on the screen how far the lives are, now and then and at their end."""

    def __init__(self, what: str, lives: int) -> None:
        self.what, self.lives, self.done = what, lives, 0
        self.began = self.told = time.monotonic()

    def tell(self, total: Found) -> None:
        """Count a life, and write a line if it is time."""
        self.done += 1
        now = time.monotonic()
        if now - self.told < TELL_SECONDS and self.done < self.lives:
            return
        self.told, took = now, now - self.began
        left = took / self.done * (self.lives - self.done)
        figures = total.figures
        print(
            f"{self.done} of {self.lives} {self.what}: {figures['cycles']:,} cycles, {figures['incidents']:,} "
            f"incidents, {len(total.violations)} violations; {took:.0f} s, another {left:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def gathered(lives: Iterable[Found], progress: Progress) -> Found:
    """Return everything found, telling how far it is, and the first violation of each life as it comes."""
    total = Found()
    for one in lives:
        total.add(one)
        progress.tell(total)
        for violation in one.violations[:1]:
            print(violation, file=sys.stderr, flush=True)
    return total


def shortfalls(found: Found, peace: Found, full: bool) -> list[str]:
    """Return what did not come as often as it has to; of a part of the lives only what must never come."""
    short = [
        f"{count} effects in peace" for name, count in peace.figures.items() if name == "effects of ours" and count
    ]
    if found.figures["crashes"] + peace.figures["crashes"]:
        short.append("an activity raised what is not in the error family")
    if full:
        short += [
            f"{name}: {found.figures[name]} < {least}" for name, least in WANTED.items() if found.figures[name] < least
        ]
        names = (f"verdict {verdict}" for verdict in VERDICTS)
        short += [f"{name}: {found.figures[name]} < {EACH}" for name in names if found.figures[name] < EACH]
    return short


if __name__ == "__main__":
    sys.exit(main())
