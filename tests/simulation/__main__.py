"""Plays a million cycles in virtual time on all cores, and prints violations and figures (`make simulate`)."""

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
"""Cycles of one life: long enough to learn, short enough to play a seed again within seconds."""
PROGRESS_INTERVAL_SECONDS = 15.0
"""Seconds between two progress lines."""
PEACEFUL_CYCLES = 60_000
"""Cycles without a fault, in which the loop must not change anything."""
INVARIANTS = (*(f"I{number}" for number in range(1, 11)), "fence", "quorum", "churn", "storm")
"""The invariants of a life; `tests/soak/checker/check.py` describes them."""
MIN_TOTALS = {"cycles": 1_000_000, "incidents": 10_000}
VERDICTS = ("fixed", "improved", "no_effect", "worse", "inconclusive")
MIN_VERDICT_COUNT = 100
"""Minimum count of each verdict in a full run."""


def main() -> int:
    """Play all lives; return 0 without violations and shortfalls, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument(
        "--lives", type=int, default=MIN_TOTALS["cycles"] // CYCLES_PER_LIFE + 1, help="lives with faults"
    )
    parser.add_argument("--first-seed", type=int, default=1, help="seed of the first life")
    parser.add_argument("--peaceful", type=int, default=PEACEFUL_CYCLES, help="cycles without a fault")
    parser.add_argument("--json", type=Path, default=None, help="file for the figures")
    parsed = parser.parse_args()
    started = time.monotonic()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        lives = pool.imap_unordered(
            partial(play_life, cycles=CYCLES_PER_LIFE), seed_range(parsed.first_seed, parsed.lives)
        )
        result = collect_results(lives, Progress("lives with faults", parsed.lives))
        peaceful_lives = -(-parsed.peaceful // CYCLES_PER_LIFE)
        play_peaceful_life = partial(play_life, cycles=CYCLES_PER_LIFE, profile=FaultProfile.PEACEFUL)
        lives = pool.imap_unordered(play_peaceful_life, seed_range(parsed.first_seed, peaceful_lives))
        peaceful_result = collect_results(lives, Progress("peaceful lives", peaceful_lives))
    shortfalls = find_shortfalls(
        result, peaceful_result, is_full_run=parsed.lives * CYCLES_PER_LIFE >= MIN_TOTALS["cycles"]
    )
    report = {
        "seconds": round(time.monotonic() - started, 1),
        "seeds": [parsed.first_seed, parsed.first_seed + parsed.lives - 1],
        "broken": count_violations(result, peaceful_result),
        "figures": dict(sorted(result.figures.items())),
        "peaceful": dict(sorted(peaceful_result.figures.items())),
        "violations": [str(violation) for violation in result.violations + peaceful_result.violations],
        "short of": shortfalls,
    }
    print(json.dumps(report, indent=1))
    if parsed.json:
        parsed.json.write_text(json.dumps(report, indent=1), encoding="utf-8")
    return 1 if report["violations"] or shortfalls else 0


def count_violations(*parts: LifeResult) -> dict[str, int]:
    """Return the number of violations of each invariant, zeros included."""
    counts = Counter(dict.fromkeys(INVARIANTS, 0))
    counts.update(violation.invariant for part in parts for violation in part.violations)
    return dict(counts)


def seed_range(first: int, count: int) -> range:
    """Return `count` seeds from `first` on."""
    return range(first, first + count)


class Progress:
    """Prints the progress of the lives, at intervals and at their end."""

    def __init__(self, label: str, lives: int) -> None:
        self.label, self.lives, self.finished = label, lives, 0
        self.started_at = self.reported_at = time.monotonic()

    def add_life(self, result: LifeResult) -> None:
        """Count a life, and print a line when the interval has passed."""
        self.finished += 1
        now = time.monotonic()
        if now - self.reported_at < PROGRESS_INTERVAL_SECONDS and self.finished < self.lives:
            return
        self.reported_at, elapsed = now, now - self.started_at
        remaining = elapsed / self.finished * (self.lives - self.finished)
        figures = result.figures
        print(
            f"{self.finished} of {self.lives} {self.label}: {figures['cycles']:,} cycles, {figures['incidents']:,} "
            f"incidents, {len(result.violations)} violations; {elapsed:.0f} s elapsed, {remaining:.0f} s remaining",
            file=sys.stderr,
            flush=True,
        )


def collect_results(lives: Iterable[LifeResult], progress: Progress) -> LifeResult:
    """Return the sum of all results; print the progress and the first violation of each life."""
    total = LifeResult()
    for life in lives:
        total.merge(life)
        progress.add_life(total)
        for violation in life.violations[:1]:
            print(violation, file=sys.stderr, flush=True)
    return total


def find_shortfalls(result: LifeResult, peaceful_result: LifeResult, is_full_run: bool) -> list[str]:
    """Return the figures below their minimum (in a full run only), and those that must be zero."""
    shortfalls = [
        f"{count} effects in peaceful lives"
        for name, count in peaceful_result.figures.items()
        if name == "effects of ours" and count
    ]
    if result.figures["crashes"] + peaceful_result.figures["crashes"]:
        shortfalls.append("an activity raised an exception that is not a MapekError")
    if is_full_run:
        shortfalls += [
            f"{name}: {result.figures[name]} < {minimum}"
            for name, minimum in MIN_TOTALS.items()
            if result.figures[name] < minimum
        ]
        names = (f"verdict {verdict}" for verdict in VERDICTS)
        shortfalls += [
            f"{name}: {result.figures[name]} < {MIN_VERDICT_COUNT}"
            for name in names
            if result.figures[name] < MIN_VERDICT_COUNT
        ]
    return shortfalls


if __name__ == "__main__":
    sys.exit(main())
