"""Settings of Knowledge."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from activities.model.action import ActionType
from activities.model.autonomy import Level
from activities.model.diagnosis import Cause
from activities.model.types import PositiveDuration, Settings


class LevelOverrideSettings(Settings):
    """A level that stays as it is set, whatever is earned. Without a cause, or an action, it is for all of them."""

    level: Level
    cause: Cause | None = None
    action: ActionType | None = None


class AutonomySettings(Settings):
    """How far each action against each cause is trusted, and how it earns more: shadow, suggest, auto."""

    start: Level | None = None
    """Where everything begins. Default: auto on the simulator, shadow on a Charter that matters."""
    suggest_matches: PositiveInt = 20
    """Shadow decisions that were right, less those that were not, from which a person is asked."""
    auto_outcomes: PositiveInt = 30
    """Outcomes below which no rate is believed."""
    auto_min_success: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """The one-sided 95 % lower bound of "fixed and no harm" has to be above it: 30 of 30 give 0.908."""
    overrides: tuple[LevelOverrideSettings, ...] = ()
    """Levels a person fixed; the first that fits decides."""


class KnowledgeSettings(Settings):
    """Where outcomes, snapshots, audit and guards are kept, and how they are learned from."""

    database: Literal["memory", "sqlite", "postgres"] = "sqlite"
    """`memory` is SQLite in memory, lost at the end of the process: with the simulator only."""
    sqlite_path: Path | None = None
    """Default: `knowledge.db` in the state folder."""
    postgres_url: SecretStr | None = None
    """Only by environment (`MAPEK_POSTGRES_URL`)."""
    pattern_learning_enabled: bool = True
    """False: the priors are used for ever."""
    confidence_saturation_point: PositiveInt = 30
    """Outcomes at which the mean is believed alone; below, it is shrunk towards the prior (weight n/30)."""
    outcome_history_limit: PositiveInt = 1000
    """Newest outcomes kept per loop."""
    insight_generation_enabled: bool = True
    recheck_seconds: tuple[PositiveDuration, ...] = (900.0, 3600.0, 86400.0)
    """Seconds after a success at which it is looked at again: a quarter of an hour shows what only hid the trouble, an
    hour what load brings back, a day what comes with the time of day. Empty: a success is believed at once."""
    autonomy: AutonomySettings = AutonomySettings()
    snapshot_days: PositiveFloat = 7.0
    """Days a snapshot and the decision upon it are kept; those a plan came of are kept as long as the audit."""
