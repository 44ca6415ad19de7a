"""Settings of Knowledge."""

from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat, PositiveInt, SecretStr

from activities.model.base import Settings


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
    snapshot_days: PositiveFloat = 7.0
    """Days a snapshot is kept; one that a plan came of is kept as long as the audit."""
