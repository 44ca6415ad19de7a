"""Storm mode: so many components look broken that the observation itself is doubtful."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.types import MigratedModel


class Storm(MigratedModel):
    """A loop in storm mode: it only observes. Times are unix seconds.

    `reason` has the numbers of the last observation. `calm_since` is when they fell below the exit limits, None while
    they exceed one.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"why": "reason"}

    loop: str
    since: float
    reason: str
    calm_since: float | None = None
