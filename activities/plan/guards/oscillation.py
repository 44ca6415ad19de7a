"""A loop that goes in circles: knobs turned to and fro, remedies that fail or do not last, and somebody who fights it.

A knob is frozen by what it did, not by a mark that somebody would have to set: the freeze follows from the remediations
of the last day, so it holds on every worker and in every replay, and ends by itself or by a person's release.
"""

from dataclasses import dataclass

from activities.model.decision import Block
from activities.model.history import PastRemediation
from activities.plan.guards.base import Actions, Conditions, blocked
from activities.plan.guards.settings import OscillationSettings
from activities.plan.guards.turns import HELPED, failures, last_excess, reversals, turns
from activities.plan.knobs import changer_of


@dataclass(frozen=True)
class Freeze:
    """A frozen knob: since and until when (unix seconds), and the numbers that froze it."""

    since: float
    until: float
    why: str


def spans(settings: OscillationSettings) -> dict[str, float]:
    """Return for how many seconds each rule here holds a knob at most: blocks within that time tell of the same."""
    return {"frozen": settings.freeze_seconds, "foreign-writer": settings.foreign_seconds}


def frozen(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse a knob that oscillates, whose remedies failed in a row, or against a trouble that keeps coming back."""
    knob = actions[0].knob
    released = conditions.guards.knob(knob).released_at
    past = tuple(one for one in conditions.of_knob(knob) if one.began >= released)
    found = freeze_of(past, conditions.trouble, conditions.settings.oscillation)
    left = found.until - conditions.at if found else 0.0
    if found is None or left <= 0:
        return None
    return blocked("frozen", actions, f"frozen for another {left:.0f} s: {found.why}")


def freeze_of(
    past: tuple[PastRemediation, ...], trouble: tuple[str, str], settings: OscillationSettings
) -> Freeze | None:
    """Return the freeze of a knob with this past that ends last, over or not; None if nothing ever froze it."""
    found = [_reversed(past, settings), _failed(past, settings), _relapsed(past, trouble, settings)]
    return max((one for one in found if one), key=lambda one: one.until, default=None)


def foreign(actions: Actions, conditions: Conditions) -> Block | None:
    """Stay away from a knob that somebody else has moved since the loop last turned it.

    A change under one of our own keys, such as one that was carried out late, is nobody else's.
    """
    knob, wait = actions[0].knob, conditions.settings.oscillation.foreign_seconds
    ended = [past for past in conditions.of_knob(knob) if past.ended is not None and past.generation is not None]
    if not ended or conditions.committee is None:
        return None
    last = max(ended, key=lambda past: past.ended or 0.0)
    left, ours = (last.ended or 0.0) + wait - conditions.at, {past.plan_id for past in conditions.guards.past}
    present, by = changer_of(knob, conditions.committee, conditions.policies)
    if left <= 0 or last.generation is None or present <= last.generation or by.partition("-")[0] in ours:
        return None
    moved = f"generation {last.generation} → {present} by {by or 'somebody else'} since plan {last.plan_id}"
    return blocked("foreign-writer", actions, f"{moved}: left alone for another {left:.0f} s")


def _reversed(past: tuple[PastRemediation, ...], settings: OscillationSettings) -> Freeze | None:
    excess = last_excess(reversals(turns(past)), settings.window, settings.reversals)
    if excess is None:
        return None
    at, count = excess
    why = f"{count} reversals in {settings.window:.0f} s, at most {settings.reversals}"
    return Freeze(at, at + settings.freeze_seconds, why)


def _failed(past: tuple[PastRemediation, ...], settings: OscillationSettings) -> Freeze | None:
    row = failures(past)
    if len(row) < settings.failures:
        return None
    at = row[-1].ended or 0.0
    names = ", ".join(one.ending for one in row[-settings.failures :])
    return Freeze(at, at + settings.freeze_seconds, f"{len(row)} remediations failed in a row ({names})")


def _relapsed(
    past: tuple[PastRemediation, ...], trouble: tuple[str, str], settings: OscillationSettings
) -> Freeze | None:
    """That it is asked at all is the relapse: the trouble is there again, although it seemed to be cured."""
    same = [one for one in past if (one.cause, one.component) == trouble and one.ending in HELPED]
    times = [one.ended or 0.0 for one in same]
    excess = last_excess(sorted(times), settings.relapse_window, settings.relapses - 1)
    if excess is None:
        return None
    at, count = excess
    why = f"{trouble[0]} on {trouble[1]} came back after {count} remedies in {settings.relapse_window:.0f} s"
    return Freeze(at, at + settings.freeze_seconds, why)
