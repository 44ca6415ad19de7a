"""Settings of Knowledge."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from activities.model.action import ActionType
from activities.model.autonomy import Level
from activities.model.diagnosis import Cause
from activities.model.types import PositiveDuration, Settings


class LevelOverrideSettings(Settings):
    """A fixed level, independent of the evidence. Without a cause or an action it applies to all of them."""

    level: Level
    cause: Cause | None = None
    action: ActionType | None = None


class AutonomySettings(Settings):
    """How each action against each cause is promoted: shadow, suggest, auto."""

    start: Level | None = None
    """The first level. Default: auto on the simulator, shadow on a real Charter."""
    suggest_matches: PositiveInt = 20
    """Right minus wrong shadow decisions for a promotion to suggest."""
    auto_outcomes: PositiveInt = 30
    """Minimum of outcomes for a promotion to auto."""
    auto_min_success: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    """The one-sided 95 % lower bound of the rate of fixes must exceed it for auto: 30 of 30 give 0.908."""
    overrides: tuple[LevelOverrideSettings, ...] = ()
    """Levels fixed by an operator; the first that matches decides."""


class KnowledgeSettings(Settings):
    """Where outcomes, snapshots, audit and guards are stored, and how the loop learns from them."""

    database: Literal["memory", "sqlite", "postgres"] = "sqlite"
    """`memory` is SQLite in memory, lost at the end of the process: on the simulator only."""
    sqlite_path: Path | None = None
    """Default: `knowledge.db` in the state folder."""
    postgres_url: SecretStr | None = None
    """From the environment only (`MAPEK_POSTGRES_URL`)."""
    pattern_learning_enabled: bool = True
    """False: only the priors are used."""
    confidence_saturation_point: PositiveInt = 30
    """Outcomes from which the mean counts alone; with fewer it is shrunk towards the prior (weight n/30)."""
    outcome_history_limit: PositiveInt = 1000
    """The newest outcomes used per loop."""
    insight_generation_enabled: bool = True
    recheck_seconds: tuple[PositiveDuration, ...] = (900.0, 3600.0, 86400.0)
    """The delays of the rechecks after a success. 15 minutes shows a fix that only hid the problem, an hour a problem
    that load brings back, a day one that depends on the time of day. Empty: no recheck."""
    autonomy: AutonomySettings = AutonomySettings()
    snapshot_days: PositiveFloat = 7.0
    """Retention in days of a snapshot and its decision. Those with a plan are kept as long as the audit."""
