"""When nothing, or only some of it, may be done: maintenance windows and freeze dates."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from activities.model.action import ActionType
from activities.model.decision import Block
from activities.plan.guards.base import Actions, GuardInput, make_block
from activities.plan.guards.settings import FreezeDates, Window


def window_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse what a window that closes covers now, and what is reserved to windows that open while none is.

    Of several windows the most restrictive wins: each action needs its leave, and one that closes beats all that open.
    """
    windows = guard_input.settings.windows
    for kind in _action_types(actions):
        about = [one for one in windows if not one.actions or kind in one.actions]
        for one in about:
            until = None if one.mode == "allow" else window_end(one, guard_input.at)
            if until is not None:
                return make_block(
                    "window", actions, f"{kind} is closed by window {one.name} until {_format_time(until, one)}"
                )
        opening = [one for one in about if one.mode == "allow"]
        if opening and all(window_end(one, guard_input.at) is None for one in opening):
            names = ", ".join(one.name for one in opening)
            return make_block("window", actions, f"{kind} is only done in windows that are closed now: {names}")
    return None


def freeze_date_guard(actions: Actions, guard_input: GuardInput) -> Block | None:
    """Refuse what the settings freeze on this day, in the time zone of the freeze."""
    for dates in guard_input.settings.freeze_dates:
        present = datetime.fromtimestamp(guard_input.at, ZoneInfo(dates.timezone)).date()
        kinds = [kind for kind in _action_types(actions) if not dates.actions or kind in dates.actions]
        if kinds and dates.first <= present <= dates.last:
            return make_block("freeze-date", actions, f"{kinds[0]} is frozen {_format_date_range(dates)}: {dates.name}")
    return None


def window_end(window: Window, at: float) -> float | None:
    """Return until when (unix seconds) the window is on, None if it is not on at `at`.

    It is on from the instant its cron expression names, for its duration, that end excluded.
    """
    duration = timedelta(seconds=window.duration_seconds)
    present = datetime.fromtimestamp(at, UTC)
    starts = CronSim(window.cron, (present - duration).astimezone(ZoneInfo(window.timezone)))
    start = next(starts, None)
    return None if start is None or start > present else (start + duration).timestamp()


def _action_types(actions: Actions) -> list[ActionType]:
    return sorted({action.type for action in actions})


def _format_time(at: float, window: Window) -> str:
    return f"{datetime.fromtimestamp(at, ZoneInfo(window.timezone)):%Y-%m-%d %H:%M} {window.timezone}"


def _format_date_range(dates: FreezeDates) -> str:
    return f"from {dates.first} to {dates.last} ({dates.timezone})"
