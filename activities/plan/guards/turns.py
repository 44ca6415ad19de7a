"""How often a knob was turned, and how often it was turned back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from activities.model.history import PastRemediation

HELPED = frozenset({"fixed", "improved"})
"""Endings after which the trouble was gone, or less."""
FAILED = frozenset({"failed", "worse", "rolled_back"})
"""Endings of a remediation that failed or was taken back."""


@dataclass(frozen=True)
class Turn:
    """A knob was turned at `at` (unix seconds), forth (1) or back (−1)."""

    at: float
    sense: int


def turns(past: Iterable[PastRemediation]) -> tuple[Turn, ...]:
    """Return the turns of one knob, the oldest first: what was applied, and what was taken back again."""
    found = []
    for one in past:
        if not one.sense or not one.applied:
            continue
        found.append(Turn(one.began, one.sense))
        if one.undone and one.ended is not None:
            found.append(Turn(one.ended, -one.sense))
    return tuple(sorted(found, key=lambda turn: turn.at))


def reversals(turned: Sequence[Turn]) -> tuple[float, ...]:
    """Return when the knob was turned the other way than before."""
    return tuple(now.at for before, now in pairwise(turned) if now.sense == -before.sense)


def last_excess(times: Sequence[float], window: float, limit: int) -> tuple[float, int] | None:
    """Return the last time more than `limit` of `times` (sorted) were within `window` seconds, and how many.

    A window is half-open: of two exactly `window` seconds apart only the later one is in it.
    """
    for end in range(len(times) - 1, limit - 1, -1):
        within = sum(times[end] - window < at <= times[end] for at in times)
        if within > limit:
            return times[end], within
    return None


def failures(past: Iterable[PastRemediation]) -> tuple[PastRemediation, ...]:
    """Return the failed or rolled-back remediations since the last one that helped, by when they ended.

    What neither helped nor failed (stopped by a person, without effect) does not interrupt the row.
    """
    row: list[PastRemediation] = []
    for one in sorted((p for p in past if p.ended is not None), key=lambda p: p.ended or 0.0):
        if one.ending in HELPED:
            row = []
        elif one.ending in FAILED:
            row.append(one)
    return tuple(row)
