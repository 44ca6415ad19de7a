"""Settings of the guards. Times are seconds.

The defaults are what comparable systems ship or their users asked for, for cycles of 30 s; a change of the loop's pace
should change them in proportion.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from activities.model.action import ActionType
from activities.model.history import HISTORY_WINDOW_SECONDS
from activities.model.types import Duration, Fraction, PositiveDuration, Settings, invalid_setting

Lookback = Annotated[Duration, Field(le=HISTORY_WINDOW_SECONDS)]
PositiveLookback = Annotated[PositiveDuration, Field(le=HISTORY_WINDOW_SECONDS)]


def _validate_cron(value: str) -> str:
    try:
        CronSim(value, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise invalid_setting(f"must be a cron expression of five fields, as in 0 22 * * FRI ({error})") from None
    return value


def _validate_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise invalid_setting("must be the name of a time zone, such as Europe/Berlin or UTC") from None
    return value


Cron = Annotated[str, AfterValidator(_validate_cron)]
TimeZone = Annotated[str, AfterValidator(_validate_time_zone)]
Name = Annotated[str, Field(min_length=1, max_length=80)]


class RateSettings(Settings):
    """How many remediations there may be; 0 allows none."""

    knob_per_hour: NonNegativeInt = 3
    """Of one knob: who needs a fourth within the hour needs a person (three runs an hour is a common cap)."""
    knob_per_day: NonNegativeInt = 10
    """Of one knob: slow circles, that stay below the hourly budget, end too."""
    loop_per_hour: NonNegativeInt = 10
    """Of one loop, all knobs together: a wrong picture of everything does only so much."""
    max_concurrent_fraction: Fraction = 0.10
    """Share of the components that may be acted upon at the same time, but always one: one, few, all."""
    reversal_delay: Lookback = 900.0
    """Before a knob is turned back: three times the usual cool-down, since to and fro is the costliest mistake."""
    risky_delay: Lookback = 300.0
    """Before a step away from safety after any turn of the knob: the stabilisation autoscalers use to scale down."""


class OscillationSettings(Settings):
    """When a loop goes in circles."""

    reversals: PositiveInt = 2
    """Turns the other way that a knob may make within `window`; one more freezes it."""
    window: PositiveLookback = 1800.0
    """Two attempts with their rollbacks and rests fit into it, a third does not."""
    failures: PositiveInt = 3
    """Failed or rolled-back remediations in a row that freeze a knob."""
    relapses: PositiveInt = 3
    """Remedies that helped against the same trouble within `relapse_window`, which freeze the knob when it is back."""
    relapse_window: PositiveLookback = 14_400.0
    """Four hours: three cures that did not last that long are none."""
    freeze_seconds: PositiveLookback = 3600.0
    """How long a knob is frozen: long enough for a person to come and look."""
    external_change_hold: Lookback = 3600.0
    """How long a knob that somebody else moved after us is left alone: the other writer may know more."""


class StormSettings(Settings):
    """When so much looks broken that the picture is doubted. Shares are of the components."""

    unexplained: Fraction = 0.20
    """Share in trouble that the leading cause does not explain; more starts a storm, if they are `least` or more."""
    min_components: PositiveInt = 3
    """Fewer than this are no storm, however few components there are."""
    affected_fraction: Fraction = 0.60
    """Share in trouble or blind: more starts a storm, explained or not."""
    exit_factor: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """Both shares have to fall below this part of their limits: leaving is harder than entering, so it cannot flap."""
    exit_hold: Duration = 300.0
    """And to stay there for so long."""


class Window(Settings):
    """A recurring time span that blocks actions, or outside of which they are blocked."""

    name: Name
    cron: Cron
    """Start times: minute, hour, day, month, weekday."""
    duration_seconds: PositiveDuration
    timezone: TimeZone = "UTC"
    actions: tuple[ActionType, ...] = ()
    """The action types the window applies to; empty for all."""
    mode: Literal["block", "allow"] = "block"
    """`block`: maintenance by others, the actions are blocked inside the window. `allow`: a change window, the actions
    are blocked outside it."""


class FreezeDates(Settings):
    """Days on which something is not done, both ends included."""

    name: Name
    first: date
    last: date
    timezone: TimeZone = "UTC"
    actions: tuple[ActionType, ...] = ()
    """What is frozen; empty for everything."""

    @model_validator(mode="after")
    def _validate_order(self) -> Self:
        if self.last < self.first:
            raise invalid_setting(f"last ({self.last}) is before first ({self.first}); swap them")
        return self


class ErrorBudgetSettings(Settings):
    """The service's own error budget."""

    query: str = ""
    """PromQL for the share of the error budget that is left, 0 to 1; of several series the lowest counts.

    Empty: not asked, since only its owner knows the objective. For one percent of failures in thirty days:
    `1 - avg_over_time(avg(westworld_charter_failure_rate)[30d:5m]) / 0.01`.
    """
    min_remaining: Fraction = 0.10
    """With less than this left, or if it cannot be told, only actions towards safety are done without approval."""
