"""A loop that goes in circles: knobs turned to and fro, remedies that fail or do not last, and somebody who fights it.

A knob is frozen by what it did, not by a mark that somebody would have to set: the freeze follows from the remediations
of the last day, so it holds on every worker and in every replay, and ends by itself or by a person's release.
"""

from dataclasses import dataclass

from activities.model.decision import Block
from activities.model.history import RemediationRecord
from activities.plan.guards.base import Actions, GuardInput, make_block
from activities.plan.guards.settings import OscillationSettings
from activities.plan.guards.turns import (
    SUCCESSFUL_OUTCOMES,
    consecutive_failures,
    knob_moves,
    last_limit_exceeded,
    reversal_times,
)
from activities.plan.knobs import last_change_key


@dataclass(frozen=True)
class Freeze:
    """A frozen knob: since and until when (unix seconds), and the numbers that froze it."""

    since: float
    until: float
    reason: str


def hold_seconds_by_rule(settings: OscillationSettings) -> dict[str, float]:
    """Return for how many seconds each rule here holds a knob at most: blocks within that time tell of the same."""
    return {"frozen": settings.freeze_seconds, "foreign-writer": settings.external_change_hold}


def freeze_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse a knob that oscillates, whose remedies failed in a row, or against a trouble that keeps coming back."""
    knob = actions[0].knob
    released = guard_input.guards.knob(knob).released_at
    past = tuple(one for one in guard_input.remediations_of(knob) if one.started_at >= released)
    found = latest_freeze(past, guard_input.cause_key, guard_input.settings.oscillation)
    left = found.until - guard_input.at if found else 0.0
    if found is None or left <= 0:
        return None
    return make_block("frozen", actions, f"frozen for another {left:.0f} s: {found.reason}")


def latest_freeze(
    remediations: tuple[RemediationRecord, ...], cause_key: tuple[str, str], settings: OscillationSettings
) -> Freeze | None:
    """Return the freeze of a knob with this past that ends last, over or not; None if nothing ever froze it."""
    found = [
        _freeze_by_reversals(remediations, settings),
        _freeze_by_failures(remediations, settings),
        _freeze_by_relapses(remediations, cause_key, settings),
    ]
    return max((one for one in found if one), key=lambda one: one.until, default=None)


def foreign_writer_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Stay away from a knob that somebody else has moved since the loop last turned it.

    A change under one of our own keys, such as one that was carried out late, is nobody else's.
    """
    knob, wait = actions[0].knob, guard_input.settings.oscillation.external_change_hold
    ended = [
        past for past in guard_input.remediations_of(knob) if past.ended_at is not None and past.generation is not None
    ]
    if not ended or guard_input.committee is None:
        return None
    last = max(ended, key=lambda past: past.ended_at or 0.0)
    left, ours = (
        (last.ended_at or 0.0) + wait - guard_input.at,
        {past.plan_id for past in guard_input.guards.recent_remediations},
    )
    present, by = last_change_key(knob, guard_input.committee, guard_input.policies)
    if left <= 0 or last.generation is None or present <= last.generation or by.partition("-")[0] in ours:
        return None
    moved = f"generation {last.generation} → {present} by {by or 'somebody else'} since plan {last.plan_id}"
    return make_block("foreign-writer", actions, f"{moved}: left alone for another {left:.0f} s")


def _freeze_by_reversals(remediations: tuple[RemediationRecord, ...], settings: OscillationSettings) -> Freeze | None:
    excess = last_limit_exceeded(reversal_times(knob_moves(remediations)), settings.window, settings.reversals)
    if excess is None:
        return None
    at, count = excess
    why = f"{count} reversals in {settings.window:.0f} s, at most {settings.reversals}"
    return Freeze(at, at + settings.freeze_seconds, why)


def _freeze_by_failures(remediations: tuple[RemediationRecord, ...], settings: OscillationSettings) -> Freeze | None:
    row = consecutive_failures(remediations)
    if len(row) < settings.failures:
        return None
    at = row[-1].ended_at or 0.0
    names = ", ".join(one.outcome for one in row[-settings.failures :])
    return Freeze(at, at + settings.freeze_seconds, f"{len(row)} remediations failed in a row ({names})")


def _freeze_by_relapses(
    remediations: tuple[RemediationRecord, ...], cause_key: tuple[str, str], settings: OscillationSettings
) -> Freeze | None:
    """That it is asked at all is the relapse: the trouble is there again, although it seemed to be cured."""
    same = [
        one for one in remediations if (one.cause, one.component) == cause_key and one.outcome in SUCCESSFUL_OUTCOMES
    ]
    times = [one.ended_at or 0.0 for one in same]
    excess = last_limit_exceeded(sorted(times), settings.relapse_window, settings.relapses - 1)
    if excess is None:
        return None
    at, count = excess
    why = f"{cause_key[0]} on {cause_key[1]} came back after {count} remedies in {settings.relapse_window:.0f} s"
    return Freeze(at, at + settings.freeze_seconds, why)
