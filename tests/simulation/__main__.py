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

from tests.simulation.batch import LifeResult, play_life
from tests.simulation.driver import FaultProfile

CYCLES_PER_LIFE = 2000
"""Cycles of one life: long enough to learn, short enough that a seed is played again in seconds."""
PROGRESS_INTERVAL_SECONDS = 15.0
"""Between two lines about the progress."""
PEACEFUL_CYCLES = 60_000
"""Cycles without a fault, in which nothing may be done."""
INVARIANTS = (*(f"I{number}" for number in range(1, 11)), "fence", "quorum", "churn", "storm")
"""I1: done twice; fence: stale and applied; I4: applied without anybody who answers for it; I8: moved back twice."""
MIN_TOTALS = {"cycles": 1_000_000, "incidents": 10_000}
VERDICTS = ("fixed", "improved", "no_effect", "worse", "inconclusive")
MIN_VERDICT_COUNT = 100
"""How often every verdict has to come."""


def main() -> int:
    """Play all lives; return 0 if no invariant broke and everything came often enough."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--lives", type=int, default=MIN_TOTALS["cycles"] // CYCLES_PER_LIFE + 1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--peaceful", type=int, default=PEACEFUL_CYCLES, help="cycles without a fault")
    parser.add_argument("--json", type=Path, default=None, help="file for the figures")
    parsed = parser.parse_args()
    started = time.monotonic()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        lives = pool.imap_unordered(
            partial(play_life, cycles=CYCLES_PER_LIFE), seed_range(parsed.first_seed, parsed.lives)
        )
        found = collect_results(lives, Progress("troubled lives", parsed.lives))
        peaceful_lives = -(-parsed.peaceful // CYCLES_PER_LIFE)
        quiet = partial(play_life, cycles=CYCLES_PER_LIFE, profile=FaultProfile.PEACEFUL)
        lives = pool.imap_unordered(quiet, seed_range(parsed.first_seed, peaceful_lives))
        peace = collect_results(lives, Progress("peaceful lives", peaceful_lives))
    short = find_shortfalls(found, peace, is_full_run=parsed.lives * CYCLES_PER_LIFE >= MIN_TOTALS["cycles"])
    report = {
        "seconds": round(time.monotonic() - started, 1),
        "seeds": [parsed.first_seed, parsed.first_seed + parsed.lives - 1],
        "broken": count_violations(found, peace),
        "figures": dict(sorted(found.figures.items())),
        "peaceful": dict(sorted(peace.figures.items())),
        "violations": [str(one) for one in found.violations + peace.violations],
        "short of": short,
    }
    print(json.dumps(report, indent=1))
    if parsed.json:
        parsed.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 1 if report["violations"] or short else 0


def count_violations(*parts: LifeResult) -> dict[str, int]:
    """Return how often each invariant was broken; all of them are named, also those that never were."""
    counted = Counter(dict.fromkeys(INVARIANTS, 0))
    counted.update(violation.invariant for part in parts for violation in part.violations)
    return dict(counted)


def seed_range(first: int, count: int) -> range:
    """Return the seeds of so many lives."""
    return range(first, first + count)


class Progress:
    """Tells on the screen how far the lives are, now and then and at their end."""

    def __init__(self, label: str, lives: int) -> None:
        self.label, self.lives, self.finished = label, lives, 0
        self.started_at = self.reported_at = time.monotonic()

    def add_life(self, result: LifeResult) -> None:
        """Count a life, and write a line if it is time."""
        self.finished += 1
        now = time.monotonic()
        if now - self.reported_at < PROGRESS_INTERVAL_SECONDS and self.finished < self.lives:
            return
        self.reported_at, took = now, now - self.started_at
        left = took / self.finished * (self.lives - self.finished)
        figures = result.figures
        print(
            f"{self.finished} of {self.lives} {self.label}: {figures['cycles']:,} cycles, {figures['incidents']:,} "
            f"incidents, {len(result.violations)} violations; {took:.0f} s, another {left:.0f} s",
            file=sys.stderr,
            flush=True,
        )


def collect_results(lives: Iterable[LifeResult], progress: Progress) -> LifeResult:
    """Return everything found, telling how far it is, and the first violation of each life as it comes."""
    total = LifeResult()
    for one in lives:
        total.merge(one)
        progress.add_life(total)
        for violation in one.violations[:1]:
            print(violation, file=sys.stderr, flush=True)
    return total


def find_shortfalls(result: LifeResult, peaceful_result: LifeResult, is_full_run: bool) -> list[str]:
    """Return what did not come as often as it has to; of a part of the lives only what must never come."""
    short = [
        f"{count} effects in peace"
        for name, count in peaceful_result.figures.items()
        if name == "effects of ours" and count
    ]
    if result.figures["crashes"] + peaceful_result.figures["crashes"]:
        short.append("an activity raised what is not in the error family")
    if is_full_run:
        short += [
            f"{name}: {result.figures[name]} < {least}"
            for name, least in MIN_TOTALS.items()
            if result.figures[name] < least
        ]
        names = (f"verdict {verdict}" for verdict in VERDICTS)
        short += [
            f"{name}: {result.figures[name]} < {MIN_VERDICT_COUNT}"
            for name in names
            if result.figures[name] < MIN_VERDICT_COUNT
        ]
    return short


if __name__ == "__main__":
    sys.exit(main())
