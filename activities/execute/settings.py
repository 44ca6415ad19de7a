"""Settings of Execute."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveInt, SecretStr

from activities.model.types import Duration, PositiveDuration, Settings


class ExecutionMode(StrEnum):
    """The reaction to a failed step.

    `transactional`: the step and those before it are undone in reverse order. `best_effort`: the step alone is undone,
    the later ones are skipped, and the earlier ones are verified and kept if they help. If the step may still be
    applied after its undo, all steps are undone. A step without inverse (a restart) is verified with the others.
    """

    TRANSACTIONAL = "transactional"
    BEST_EFFORT = "best_effort"


class VerifySettings(Settings):
    """How an effect is verified. Times in seconds."""

    delay: Duration = 30.0
    """From the apply to the first sample: earlier scrapes cannot show the effect (at least one scrape interval)."""
    interval: PositiveDuration = 15.0
    """Between samples: one scrape interval, because more samples show nothing new."""
    samples: PositiveInt = 5
    """Minimum of usable samples for a verdict; an open one gets as many again, once. Below 5 on a simulator only."""
    passes: PositiveInt = 4
    """The last samples, which must all be good for `fixed`: one minute, so that a rate shows the present."""


class ExecuteSettings(Settings):
    """How a plan is applied at Charter."""

    charter_url: str = "http://127.0.0.1:8000"
    charter_api_key: SecretStr | None = None
    """From the environment only (`CHARTER_API_KEY`); a value in the file is refused."""
    charter_api_key_file: Path | None = None
    timeout_seconds: PositiveDuration = Field(default=30.0, le=120.0)
    """Time-out of a request that changes Charter."""
    max_retries: NonNegativeInt = 3
    """Retries of an apply after its first attempt. Each retry reads back before it sends."""
    rollback_enabled: bool = True
    """False: a harmful change is escalated to an operator and not undone."""
    execution_mode: ExecutionMode = ExecutionMode.TRANSACTIONAL
    verify: VerifySettings = VerifySettings()
