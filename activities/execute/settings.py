"""Settings of Execute."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, NonNegativeInt, PositiveInt, SecretStr

from activities.model.types import Duration, PositiveDuration, Settings


class ExecutionMode(StrEnum):
    """What happens when a step fails.

    `transactional`: it and the steps done before it are undone in reverse order. `best_effort`: it alone is undone, the
    rest of the plan is left out, and what was done before stays if verification finds it good. If it may still stand
    after that, all is undone. A step without an inverse (a restart) is judged with the others.
    """

    TRANSACTIONAL = "transactional"
    BEST_EFFORT = "best_effort"


class VerifySettings(Settings):
    """How an effect is judged. Times in seconds."""

    delay: Duration = 30.0
    """After the apply: nothing scraped before can show the effect (at least one scrape interval is kept)."""
    interval: PositiveDuration = 15.0
    """Between samples: one scrape, since more often shows nothing new."""
    samples: PositiveInt = 5
    """Fewest usable samples for a verdict; an open question gets as many again, once. Below 5 with a simulator only."""
    passes: PositiveInt = 4
    """The last ones, which all have to be good for `fixed`: a minute, so that a rate shows what is, not what was."""


class ExecuteSettings(Settings):
    """How a plan is carried out at Charter."""

    charter_url: str = "http://127.0.0.1:8000"
    charter_api_key: SecretStr | None = None
    """Only by environment (`CHARTER_API_KEY`); a value in the file is refused."""
    charter_api_key_file: Path | None = None
    timeout_seconds: PositiveDuration = Field(default=30.0, le=120.0)
    """Seconds for one call that changes Charter."""
    max_retries: NonNegativeInt = 3
    """Retries of an apply after its first attempt. Each reads back before it sends."""
    rollback_enabled: bool = True
    """False: what makes things worse is escalated to a person instead of undone."""
    execution_mode: ExecutionMode = ExecutionMode.TRANSACTIONAL
    verify: VerifySettings = VerifySettings()
