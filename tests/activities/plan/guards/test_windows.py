"""Windows and freeze dates: just inside, just outside, and without any."""

from datetime import UTC, date, datetime
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ValidationError

from activities.model.action import ActionType
from activities.plan.guards.base import Actions
from activities.plan.guards.settings import ErrorBudgetSettings, FreezeDates, Window
from activities.plan.guards.windows import freeze_date_guard, window_end, window_guard
from activities.plan.settings import PlanSettings
from tests.activities.plan.guards.guard_inputs import (
    CONFIGURE_ACTIONS,
    SCALE_UP_ACTIONS,
    make_guard_input,
)


def parse_utc(text: str) -> float:
    """Return UTC text as unix seconds."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NIGHT_WINDOW = Window(name="nightly", cron="0 22 * * *", duration_seconds=7200, timezone="Europe/Berlin")
CHANGE_WINDOW = Window(
    name="changes", cron="0 9 * * MON", duration_seconds=3600, actions=(ActionType.SCALE_UP,), mode="allow"
)


@pytest.mark.parametrize(
    ("windows", "at", "actions", "refused"),
    [
        ((), "2026-01-15T21:00:00", SCALE_UP_ACTIONS, ""),
        ((NIGHT_WINDOW,), "2026-01-15T20:59:59", SCALE_UP_ACTIONS, ""),
        (
            (NIGHT_WINDOW,),
            "2026-01-15T21:00:00",
            SCALE_UP_ACTIONS,
            "blocked by window nightly until 2026-01-16 00:00 Europe/Berlin",
        ),
        ((NIGHT_WINDOW,), "2026-01-15T22:59:59", SCALE_UP_ACTIONS, "nightly"),
        ((NIGHT_WINDOW,), "2026-01-15T23:00:00", SCALE_UP_ACTIONS, ""),
        ((NIGHT_WINDOW,), "2026-07-15T20:00:00", SCALE_UP_ACTIONS, "nightly"),
        (
            (NIGHT_WINDOW.model_copy(update={"actions": (ActionType.SCALE_UP,)}),),
            "2026-01-15T21:00:00",
            CONFIGURE_ACTIONS,
            "",
        ),
        ((CHANGE_WINDOW,), "2026-01-12T09:30:00", SCALE_UP_ACTIONS, ""),
        (
            (CHANGE_WINDOW,),
            "2026-01-12T10:00:00",
            SCALE_UP_ACTIONS,
            "only allowed in windows that are not active now: changes",
        ),
        ((CHANGE_WINDOW,), "2026-01-12T10:00:00", CONFIGURE_ACTIONS, ""),
        (
            (CHANGE_WINDOW, NIGHT_WINDOW.model_copy(update={"timezone": "UTC", "cron": "0 9 * * *"})),
            "2026-01-12T09:30:00",
            SCALE_UP_ACTIONS,
            "blocked by window nightly",
        ),
    ],
)
def test_windows(windows: tuple[Window, ...], at: str, actions: Actions, refused: str) -> None:
    """A window lasts for its duration, end excluded, in its zone; a blocking window beats an allowing one."""
    reason = window_guard(actions, make_guard_input(at=parse_utc(at), settings=PlanSettings(windows=windows)))
    assert bool(reason) == bool(refused)
    assert refused in reason


def test_a_window_between_its_starts_is_not_active() -> None:
    """On other days than 29 February the window is not active. Of overlapping starts the earlier one counts."""
    leap_day = Window(name="leap day", cron="0 0 29 2 *", duration_seconds=60)
    assert window_end(leap_day, parse_utc("2026-01-15T21:00:00")) is None
    overlapping = Window(name="overlapping", cron="*/5 * * * *", duration_seconds=600)
    assert window_end(overlapping, parse_utc("2026-01-15T21:02:00")) is not None


BERLIN, HOWE, NEW_YORK, KOLKATA = "Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Asia/Kolkata"


@pytest.mark.parametrize("mode", ["block", "allow"])
@pytest.mark.parametrize(
    ("zone", "start", "hours", "last", "ends"),
    [
        (BERLIN, "0 22 * * *", 8.0, "2026-03-28T04:59:59", "2026-03-28T06:00"),
        (BERLIN, "0 22 * * *", 8.0, "2026-03-29T03:59:59", "2026-03-29T06:00"),
        (BERLIN, "0 22 * * *", 8.0, "2026-10-25T04:59:59", "2026-10-25T06:00"),
        (BERLIN, "0 22 * * *", 5.0, "2026-03-29T00:59:59", "2026-03-29T03:00"),
        (BERLIN, "0 0 * * SUN", 24.0, "2026-03-29T21:59:59", "2026-03-30T00:00"),
        (BERLIN, "0 0 * * SUN", 24.0, "2026-10-25T22:59:59", "2026-10-26T00:00"),
        (BERLIN, "0 20 * * FRI", 60.0, "2026-10-26T06:59:59", "2026-10-26T08:00"),
        (NEW_YORK, "0 22 * * *", 8.0, "2026-03-08T09:59:59", "2026-03-08T06:00"),
        (NEW_YORK, "0 22 * * *", 8.0, "2026-11-01T10:59:59", "2026-11-01T06:00"),
        (HOWE, "0 22 * * *", 8.0, "2026-10-03T18:59:59", "2026-10-04T06:00"),
        (HOWE, "0 22 * * *", 8.0, "2026-04-04T19:29:59", "2026-04-05T06:00"),
        (KOLKATA, "0 22 * * *", 8.0, "2026-03-29T00:29:59", "2026-03-29T06:00"),
    ],
)
def test_a_window_ends_by_the_clock_of_its_zone(
    zone: str, start: str, hours: float, last: str, ends: str, mode: Literal["block", "allow"]
) -> None:
    """In nights with and without a change of the clock: `last` (UTC) is its last second, `ends` the wall-clock time."""
    window = Window(name="w", cron=start, duration_seconds=hours * 3600, timezone=zone, mode=mode)
    assert window_end(window, parse_utc(last)) == datetime.fromisoformat(ends)
    assert window_end(window, parse_utc(last) + 1) is None


@pytest.mark.parametrize(
    ("zone", "start", "minutes", "mode", "utc", "is_active"),
    [
        # 02:00 becomes 03:00 at 01:00 UTC. The end 02:30 is skipped.
        (BERLIN, "0 22 * * *", 270, "block", "2026-03-29T01:29:59", True),
        (BERLIN, "0 22 * * *", 270, "block", "2026-03-29T01:30:00", False),
        (BERLIN, "0 22 * * *", 270, "allow", "2026-03-29T00:59:59", True),
        (BERLIN, "0 22 * * *", 270, "allow", "2026-03-29T01:00:00", False),
        # The whole window from 02:30 to 02:40 is skipped.
        (BERLIN, "30 2 * * *", 10, "block", "2026-03-29T00:59:59", False),
        (BERLIN, "30 2 * * *", 10, "block", "2026-03-29T01:00:00", True),
        (BERLIN, "30 2 * * *", 10, "block", "2026-03-29T01:40:00", False),
        (BERLIN, "30 2 * * *", 10, "allow", "2026-03-29T01:00:00", False),
        # Only the start is skipped.
        (BERLIN, "30 2 * * *", 120, "block", "2026-03-29T01:00:00", True),
        (BERLIN, "30 2 * * *", 120, "allow", "2026-03-29T02:29:59", True),
        (BERLIN, "30 2 * * *", 120, "allow", "2026-03-29T02:30:00", False),
        # 03:00 becomes 02:00 at 01:00 UTC: the clock shows 02:15 twice.
        (BERLIN, "15 2 * * *", 10, "block", "2026-10-25T00:15:00", True),
        (BERLIN, "15 2 * * *", 10, "block", "2026-10-25T00:25:00", False),
        (BERLIN, "15 2 * * *", 10, "block", "2026-10-25T01:15:00", True),
        (BERLIN, "15 2 * * *", 10, "block", "2026-10-25T01:25:00", False),
        # 02:00 becomes 02:30 at 15:30 UTC, and at 15:00 UTC 02:00 becomes 01:30.
        (HOWE, "15 2 * * *", 10, "block", "2026-10-03T15:30:00", True),
        (HOWE, "15 2 * * *", 10, "block", "2026-10-03T15:55:00", False),
        (HOWE, "45 1 * * *", 10, "allow", "2026-04-04T14:45:00", True),
        (HOWE, "45 1 * * *", 10, "allow", "2026-04-04T15:00:00", False),
        (HOWE, "45 1 * * *", 10, "allow", "2026-04-04T15:15:00", True),
    ],
)
def test_times_that_the_clock_skips_or_repeats(
    zone: str, start: str, minutes: float, mode: Literal["block", "allow"], utc: str, is_active: bool
) -> None:
    """A blocking window is never skipped, an allowing one never extended, and a repeated time counts twice."""
    window = Window(name="w", cron=start, duration_seconds=minutes * 60, timezone=zone, mode=mode)
    assert (window_end(window, parse_utc(utc)) is not None) == is_active


@pytest.mark.parametrize(
    ("at", "actions", "refused"),
    [
        ("2026-12-23T22:59:59", SCALE_UP_ACTIONS, ""),
        (
            "2026-12-23T23:00:00",
            SCALE_UP_ACTIONS,
            "SCALE_UP is frozen from 2026-12-24 to 2026-12-26 (Europe/Berlin): holidays",
        ),
        ("2026-12-26T22:59:59", SCALE_UP_ACTIONS, "holidays"),
        ("2026-12-26T23:00:00", SCALE_UP_ACTIONS, ""),
        ("2026-12-25T12:00:00", CONFIGURE_ACTIONS, ""),
    ],
)
def test_freeze_dates(at: str, actions: Actions, refused: str) -> None:
    """Days are whole days of the freeze's time zone, both ends included, for its actions only."""
    holidays = FreezeDates(
        name="holidays",
        first=date(2026, 12, 24),
        last=date(2026, 12, 26),
        timezone="Europe/Berlin",
        actions=(ActionType.SCALE_UP,),
    )
    reason = freeze_date_guard(
        actions, make_guard_input(at=parse_utc(at), settings=PlanSettings(freeze_dates=(holidays,)))
    )
    assert bool(reason) == bool(refused)
    assert refused in reason
    assert not freeze_date_guard(actions, make_guard_input(at=parse_utc(at)))


@pytest.mark.parametrize(
    ("model", "values", "error"),
    [
        (Window, {"name": "w", "cron": "every day", "duration_seconds": 60}, "must be a cron expression"),
        (
            Window,
            {"name": "w", "cron": "0 22 * * *", "duration_seconds": 60, "timezone": "Mars/Base"},
            "name of a time zone",
        ),
        (Window, {"name": "w", "cron": "0 22 * * *", "duration_seconds": 0}, "greater than 0"),
        (FreezeDates, {"name": "f", "first": date(2026, 2, 2), "last": date(2026, 2, 1)}, "is before first"),
        (ErrorBudgetSettings, {"min_remaining": 1.5}, "less than or equal to 1"),
    ],
)
def test_impossible_settings_are_refused(model: type[BaseModel], values: dict[str, Any], error: str) -> None:
    """The error names the field's rule."""
    with pytest.raises(ValidationError, match=error):
        model(**values)
