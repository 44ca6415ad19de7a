"""Settings of the guards. Times are seconds.

The defaults are those of comparable systems, or what their users asked for, for cycles of 30 s. Change them in
proportion to the cycle.
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
    """Budgets of remediations (0 allows none), and waits between changes."""

    knob_per_hour: NonNegativeInt = 3
    """Of one knob: a fourth within the hour needs an operator (three runs an hour is a common cap)."""
    knob_per_day: NonNegativeInt = 10
    """Of one knob: this also ends slow circles that stay below the hourly budget."""
    loop_per_hour: NonNegativeInt = 10
    """Of one loop, all knobs together: this bounds the harm of a wrong observation."""
    max_concurrent_fraction: Fraction = 0.10
    """Share of the components that may be acted upon at the same time; one component always may."""
    reversal_delay: Lookback = 900.0
    """Wait before a knob is moved back: three times the usual cool-down, because oscillation costs most."""
    risky_delay: Lookback = 300.0
    """Wait before a riskier change after any move of the knob: the time autoscalers wait before they scale down."""


class OscillationSettings(Settings):
    """When a knob is frozen, or left to another writer."""

    reversals: PositiveInt = 2
    """Reversals that a knob may make within `window`; one more freezes it."""
    window: PositiveLookback = 1800.0
    """Two attempts with their rollbacks and cool-downs fit into it, a third does not."""
    failures: PositiveInt = 3
    """Failed or rolled-back remediations in a row that freeze a knob."""
    relapses: PositiveInt = 3
    """Successes against the same trouble within `relapse_window` that freeze the knob when the trouble is back."""
    relapse_window: PositiveLookback = 14_400.0
    """Four hours: three successes that did not last that long are no cure."""
    freeze_seconds: PositiveLookback = 3600.0
    """How long a knob is frozen: long enough for an operator to check it."""
    external_change_hold: Lookback = 3600.0
    """How long a knob is left alone after another writer moved it: that writer may know more."""


class StormSettings(Settings):
    """When so many components look broken that the observation is doubted. Shares are of the components."""

    unexplained_fraction: Fraction = 0.20
    """Share in trouble that the leading cause does not explain; more, and at least `min_components`, starts a storm."""
    min_components: PositiveInt = 3
    """Components in trouble below which no storm starts, however few components there are."""
    affected_fraction: Fraction = 0.60
    """Share in trouble or blind above which a storm starts, explained or not."""
    exit_factor: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """A storm ends when the trouble would start none, even with both limits times this: it prevents flapping."""
    exit_hold: Duration = 300.0
    """How long that must last before the storm ends."""


class Window(Settings):
    """A recurring time span that blocks actions, or outside of which they are blocked."""

    name: Name
    cron: Cron
    """Start times: minute, hour, day, month, weekday."""
    duration_seconds: PositiveDuration
    """From the start to the end by the clock of `timezone`: 8h from 22:00 end at 06:00 on every night."""
    timezone: TimeZone = "UTC"
    actions: tuple[ActionType, ...] = ()
    """The action types the window applies to; empty for all."""
    mode: Literal["block", "allow"] = "block"
    """`block`: maintenance by others, the actions are blocked inside the window. `allow`: a change window, the actions
    are blocked outside it."""


class FreezeDates(Settings):
    """Days on which action types are blocked, both ends included."""

    name: Name
    first: date
    last: date
    timezone: TimeZone = "UTC"
    actions: tuple[ActionType, ...] = ()
    """The frozen action types; empty for all."""

    @model_validator(mode="after")
    def _validate_order(self) -> Self:
        if self.last < self.first:
            raise invalid_setting(f"last ({self.last}) is before first ({self.first}); swap them")
        return self


class ErrorBudgetSettings(Settings):
    """The service's own error budget."""

    query: str = ""
    """PromQL for the share of the error budget that is left, 0 to 1; of several series the lowest counts.

    Empty: not queried, because only the owner of the service knows the objective. For 1 % of failures in 30 days:
    `1 - avg_over_time(avg(westworld_charter_failure_rate)[30d:5m]) / 0.01`.
    """
    min_remaining: Fraction = 0.10
    """With less than this left, or with an unknown rest, only safer changes need no approval."""
