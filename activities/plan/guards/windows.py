"""When an action is not allowed: maintenance windows, change windows and freeze dates."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from activities.model.action import ActionType
from activities.plan.guards.base import Actions, GuardInput
from activities.plan.guards.settings import FreezeDates, Window

_CHANGE_SECONDS = 3 * 3600.0
"""A time that the clock skips is over this long after the change: a change is of two hours or less."""


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
                return f"{action_type} is blocked by window {window.name} until {end:%Y-%m-%d %H:%M} {window.timezone}"
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


def window_end(window: Window, at: float) -> datetime | None:
    """Return when the window that is active at `at` (unix seconds) ends, by the clock of its zone; None if inactive.

    A window is active while that clock shows a time from its start to its end, the end excluded. An hour that the clock
    repeats counts twice. At an end that the clock skips, an allowing window ends with the change. A blocking one lasts
    longer by the skipped time, so that it is never skipped as a whole.
    """
    zone, duration = ZoneInfo(window.timezone), timedelta(seconds=window.duration_seconds)
    now = datetime.fromtimestamp(at, zone).replace(tzinfo=None)
    for start in CronSim(window.cron, now - duration - _recently_skipped(at, zone)):
        if start > now:
            return None
        end = start + duration
        end += _skipped_after(end, zone) if window.mode == "block" else timedelta(0)
        if end > now:
            return end
    return None


def _recently_skipped(at: float, zone: ZoneInfo) -> timedelta:
    """Return by how much the clock of the zone was put forward in the last hours."""
    offsets = [datetime.fromtimestamp(time, zone).utcoffset() or timedelta(0) for time in (at - _CHANGE_SECONDS, at)]
    return max(timedelta(0), offsets[1] - offsets[0])


def _skipped_after(wall: datetime, zone: ZoneInfo) -> timedelta:
    """Return by how much the clock is put forward over this time, 0 for a time that it shows."""
    return wall.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) - wall


def _action_types(actions: Actions) -> list[ActionType]:
    return sorted({action.type for action in actions})


def _format_date_range(freeze: FreezeDates) -> str:
    return f"from {freeze.first} to {freeze.last} ({freeze.timezone})"
