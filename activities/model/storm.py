"""Storm mode: so much looks broken at once that the picture itself is doubted."""

from collections.abc import Mapping
from typing import ClassVar

from activities.model.types import MigratedModel


class Storm(MigratedModel):
    """A loop in storm mode: it only observes. Times are unix seconds.

    `why` holds the numbers it was entered with. `calm_since` is since when less than what is needed to leave is in
    trouble, None while it is more.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"why": "reason"}

    loop: str
    since: float
    reason: str
    calm_since: float | None = None
