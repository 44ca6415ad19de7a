"""When an action is not allowed: maintenance windows, change windows and freeze dates."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from activities.model.action import ActionType
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.guards.settings import FreezeDates, Window


def window_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse action types that an active window blocks, or that only inactive windows allow.

    Of several windows the most restrictive one wins: each action type is checked, and a blocking window beats every
    allowing one.
    """
    for action_type in _action_types(actions):
        windows = [w for w in guard_input.settings.windows if not w.actions or action_type in w.actions]
        for window in windows:
            end = window_end(window, guard_input.at) if window.mode == "block" else None
            if end is not None:
                return f"{action_type} is blocked by window {window.name} until {_format_time(end, window)}"
        allowing = [window for window in windows if window.mode == "allow"]
        if allowing and all(window_end(window, guard_input.at) is None for window in allowing):
            names = ", ".join(window.name for window in allowing)
            return f"{action_type} is only allowed in windows that are not active now: {names}"
    return ""


def freeze_date_guard(actions: Actions, guard_input: GuardInput) -> str:
    """Refuse action types that the settings freeze on this day, in the time zone of the freeze."""
    for freeze in guard_input.settings.freeze_dates:
        today = datetime.fromtimestamp(guard_input.at, ZoneInfo(freeze.timezone)).date()
        frozen = [kind for kind in _action_types(actions) if not freeze.actions or kind in freeze.actions]
        if frozen and freeze.first <= today <= freeze.last:
            return f"{frozen[0]} is frozen {_format_date_range(freeze)}: {freeze.name}"
    return ""


def window_end(window: Window, at: float) -> float | None:
    """Return when the window that is active at `at` ends (both unix seconds), None if it is not active.

    It is active from the instant of its cron expression for its duration, the end excluded.
    """
    duration = timedelta(seconds=window.duration_seconds)
    now = datetime.fromtimestamp(at, UTC)
    starts = CronSim(window.cron, (now - duration).astimezone(ZoneInfo(window.timezone)))
    start = next(starts, None)
    return None if start is None or start > now else (start + duration).timestamp()


def _action_types(actions: Actions) -> list[ActionType]:
    return sorted({action.type for action in actions})


def _format_time(at: float, window: Window) -> str:
    return f"{datetime.fromtimestamp(at, ZoneInfo(window.timezone)):%Y-%m-%d %H:%M} {window.timezone}"


def _format_date_range(freeze: FreezeDates) -> str:
    return f"from {freeze.first} to {freeze.last} ({freeze.timezone})"
