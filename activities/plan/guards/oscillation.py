"""When a knob is frozen: it goes back and forth, its remediations fail or do not last, or another writer moved it.

A knob is frozen by its remediations of the last day, not by a stored mark. So the freeze holds on every worker and in
every replay. It ends in time, or when an operator releases the knob.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from activities.model.guard_rule import GuardRule
from activities.model.history import RemediationRecord
from activities.model.remediation_outcome import Streak, consequences_of
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.guards.settings import OscillationSettings
from activities.plan.knobs import last_change_key


@dataclass(frozen=True)
class Freeze:
    """A frozen knob: since and until when (unix seconds), and the numbers that froze it."""

    since: float
    until: float
    reason: str


@dataclass(frozen=True)
class KnobMove:
    """A move of a knob at `at` (unix seconds): 1 forth, −1 back."""

    at: float
    direction: int


def hold_seconds_by_rule(settings: OscillationSettings) -> dict[GuardRule, float]:
    """Return for how many seconds the guards of this module hold a knob at most."""
    return {
        GuardRule.FROZEN: settings.freeze_seconds,
        GuardRule.FOREIGN_WRITER: settings.external_change_hold,
    }


def freeze_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse a knob that oscillates, that failed several times in a row, or whose trouble keeps coming back."""
    knob, root = actions[0].knob, guard_input.root
    released_at = guard_input.guards.knob(knob).released_at
    remediations = tuple(r for r in guard_input.remediations_of(knob) if r.started_at >= released_at)
    freeze = latest_freeze(remediations, (root.cause.value, root.component), guard_input.settings.oscillation)
    remaining = freeze.until - guard_input.at if freeze else 0.0
    return f"frozen for another {remaining:.0f} s: {freeze.reason}" if freeze and remaining > 0 else ""


def latest_freeze(
    remediations: tuple[RemediationRecord, ...], cause_key: tuple[str, str], settings: OscillationSettings
) -> Freeze | None:
    """Return the freeze that ends last, over or not; None if these remediations of one knob never froze it."""
    freezes = [
        _freeze_by_reversals(remediations, settings),
        _freeze_by_failures(remediations, settings),
        _freeze_by_relapses(remediations, cause_key, settings),
    ]
    return max((freeze for freeze in freezes if freeze), key=lambda freeze: freeze.until, default=None)


def foreign_writer_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse a knob that another writer has moved since the loop's last remediation.

    A change with one of the loop's own idempotency keys is not foreign, even if Charter executed it late.
    """
    knob, hold = actions[0].knob, guard_input.settings.oscillation.external_change_hold
    ended = [r for r in guard_input.remediations_of(knob) if r.ended_at is not None and r.generation is not None]
    if not ended or guard_input.committee is None:
        return ""
    last = max(ended, key=lambda record: record.ended_at or 0.0)
    remaining = (last.ended_at or 0.0) + hold - guard_input.at
    own_plans = {record.plan_id for record in guard_input.guards.recent_remediations}
    generation, key = last_change_key(knob, guard_input.committee, guard_input.policies)
    is_own = key.partition("-")[0] in own_plans
    if remaining <= 0 or last.generation is None or generation <= last.generation or is_own:
        return ""
    writer = key or "another writer"
    moved = f"generation {last.generation} → {generation} by {writer} since plan {last.plan_id}"
    return f"{moved}: left alone for another {remaining:.0f} s"


def knob_moves(remediations: Iterable[RemediationRecord]) -> tuple[KnobMove, ...]:
    """Return the moves of one knob, oldest first: what was applied, and what was rolled back."""
    moves = []
    for record in remediations:
        if not record.knob_direction or not record.applied:
            continue
        moves.append(KnobMove(record.started_at, record.knob_direction))
        if record.rolled_back and record.ended_at is not None:
            moves.append(KnobMove(record.ended_at, -record.knob_direction))
    return tuple(sorted(moves, key=lambda move: move.at))


def reversal_times(moves: Sequence[KnobMove]) -> tuple[float, ...]:
    """Return when the knob was moved the other way than before (unix seconds)."""
    return tuple(move.at for before, move in pairwise(moves) if move.direction == -before.direction)


def last_limit_exceeded(times: Sequence[float], window: float, limit: int) -> tuple[float, int] | None:
    """Return the last time with more than `limit` of the sorted `times` within `window` seconds, and their number.

    A window is half-open: of two times exactly `window` seconds apart only the later one is in it.
    """
    for end in range(len(times) - 1, limit - 1, -1):
        count = sum(times[end] - window < at <= times[end] for at in times)
        if count > limit:
            return times[end], count
    return None


def consecutive_failures(remediations: Iterable[RemediationRecord]) -> tuple[RemediationRecord, ...]:
    """Return the failed or rolled-back remediations since the last success, by end.

    A remediation that neither succeeded nor failed (stopped, no effect) is passed over.
    """
    failures: list[RemediationRecord] = []
    for record in sorted((r for r in remediations if r.ended_at is not None), key=lambda r: r.ended_at or 0.0):
        streak = consequences_of(record.outcome).streak
        if streak is Streak.HELPED:
            failures = []
        elif streak is Streak.FAILED:
            failures.append(record)
    return tuple(failures)


def _freeze_by_reversals(remediations: tuple[RemediationRecord, ...], settings: OscillationSettings) -> Freeze | None:
    excess = last_limit_exceeded(reversal_times(knob_moves(remediations)), settings.window, settings.reversals)
    if excess is None:
        return None
    at, count = excess
    reason = f"{count} reversals in {settings.window:.0f} s, at most {settings.reversals}"
    return Freeze(at, at + settings.freeze_seconds, reason)


def _freeze_by_failures(remediations: tuple[RemediationRecord, ...], settings: OscillationSettings) -> Freeze | None:
    failures = consecutive_failures(remediations)
    if len(failures) < settings.failures:
        return None
    at = failures[-1].ended_at or 0.0
    outcomes = ", ".join(record.outcome for record in failures[-settings.failures :])
    return Freeze(at, at + settings.freeze_seconds, f"{len(failures)} remediations failed in a row ({outcomes})")


def _freeze_by_relapses(
    remediations: tuple[RemediationRecord, ...], cause_key: tuple[str, str], settings: OscillationSettings
) -> Freeze | None:
    """Return the freeze by successes that did not last: the check itself means that the trouble is back."""
    times = sorted(
        record.ended_at or 0.0
        for record in remediations
        if (record.cause, record.component) == cause_key and consequences_of(record.outcome).streak is Streak.HELPED
    )
    excess = last_limit_exceeded(times, settings.relapse_window, settings.relapses - 1)
    if excess is None:
        return None
    at, count = excess
    cause, component = cause_key
    reason = f"{cause} on {component} came back after {count} remedies in {settings.relapse_window:.0f} s"
    return Freeze(at, at + settings.freeze_seconds, reason)
