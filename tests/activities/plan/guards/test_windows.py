"""Windows and freeze dates: just inside, just outside, and without any."""

from datetime import UTC, date, datetime
from typing import Any

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
