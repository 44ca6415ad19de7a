"""How often a knob was turned, and how often it was turned back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from activities.model.history import RemediationRecord

SUCCESSFUL_OUTCOMES = frozenset({"fixed", "improved"})
"""Endings after which the trouble was gone, or less."""
FAILED_OUTCOMES = frozenset({"failed", "worse", "rolled_back"})
"""Endings of a remediation that failed or was taken back."""


@dataclass(frozen=True)
class KnobMove:
    """A knob was turned at `at` (unix seconds), forth (1) or back (−1)."""

    at: float
    direction: int


def knob_moves(remediations: Iterable[RemediationRecord]) -> tuple[KnobMove, ...]:
    """Return the turns of one knob, the oldest first: what was applied, and what was taken back again."""
    found = []
    for one in remediations:
        if not one.knob_direction or not one.applied:
            continue
        found.append(KnobMove(one.started_at, one.knob_direction))
        if one.rolled_back and one.ended_at is not None:
            found.append(KnobMove(one.ended_at, -one.knob_direction))
    return tuple(sorted(found, key=lambda turn: turn.at))


def reversal_times(moves: Sequence[KnobMove]) -> tuple[float, ...]:
    """Return when the knob was turned the other way than before."""
    return tuple(now.at for before, now in pairwise(moves) if now.direction == -before.direction)


def last_limit_exceeded(times: Sequence[float], window: float, limit: int) -> tuple[float, int] | None:
    """Return the last time more than `limit` of `times` (sorted) were within `window` seconds, and how many.

    A window is half-open: of two exactly `window` seconds apart only the later one is in it.
    """
    for end in range(len(times) - 1, limit - 1, -1):
        within = sum(times[end] - window < at <= times[end] for at in times)
        if within > limit:
            return times[end], within
    return None


def consecutive_failures(remediations: Iterable[RemediationRecord]) -> tuple[RemediationRecord, ...]:
    """Return the failed or rolled-back remediations since the last one that helped, by when they ended.

    What neither helped nor failed (stopped by a person, without effect) does not interrupt the row.
    """
    row: list[RemediationRecord] = []
    for one in sorted((p for p in remediations if p.ended_at is not None), key=lambda p: p.ended_at or 0.0):
        if one.outcome in SUCCESSFUL_OUTCOMES:
            row = []
        elif one.outcome in FAILED_OUTCOMES:
            row.append(one)
    return tuple(row)
