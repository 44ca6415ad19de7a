"""When nothing, or only some of it, may be done: maintenance windows and freeze dates."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from activities.model.action import ActionType
from activities.model.decision import Block
from activities.plan.guards.base import Actions, Conditions, blocked
from activities.plan.guards.settings import FreezeDates, Window


def window(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse what a window that closes covers now, and what is reserved to windows that open while none is.

    Of several windows the most restrictive wins: each action needs its leave, and one that closes beats all that open.
    """
    windows = conditions.settings.windows
    for kind in _types(actions):
        about = [one for one in windows if not one.actions or kind in one.actions]
        for one in about:
            until = None if one.opens else open_until(one, conditions.at)
            if until is not None:
                return blocked("window", actions, f"{kind} is closed by window {one.name} until {_clock(until, one)}")
        opening = [one for one in about if one.opens]
        if opening and all(open_until(one, conditions.at) is None for one in opening):
            names = ", ".join(one.name for one in opening)
            return blocked("window", actions, f"{kind} is only done in windows that are closed now: {names}")
    return None


def freeze_date(actions: Actions, conditions: Conditions) -> Block | None:
    """Refuse what the settings freeze on this day, in the time zone of the freeze."""
    for dates in conditions.settings.freeze_dates:
        present = datetime.fromtimestamp(conditions.at, ZoneInfo(dates.timezone)).date()
        kinds = [kind for kind in _types(actions) if not dates.actions or kind in dates.actions]
        if kinds and dates.first <= present <= dates.last:
            return blocked("freeze-date", actions, f"{kinds[0]} is frozen {_span(dates)}: {dates.name}")
    return None


def open_until(one: Window, at: float) -> float | None:
    """Return until when (unix seconds) the window is on, None if it is not on at `at`.

    It is on from the instant its cron expression names, for its duration, that end excluded.
    """
    duration = timedelta(seconds=one.duration_seconds)
    present = datetime.fromtimestamp(at, UTC)
    starts = CronSim(one.cron, (present - duration).astimezone(ZoneInfo(one.timezone)))
    start = next(starts, None)
    return None if start is None or start > present else (start + duration).timestamp()


def _types(actions: Actions) -> list[ActionType]:
    return sorted({action.type for action in actions})


def _clock(at: float, one: Window) -> str:
    return f"{datetime.fromtimestamp(at, ZoneInfo(one.timezone)):%Y-%m-%d %H:%M} {one.timezone}"


def _span(dates: FreezeDates) -> str:
    return f"from {dates.first} to {dates.last} ({dates.timezone})"
