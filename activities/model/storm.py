"""Storm mode: so much looks broken at once that the picture itself is doubted."""

from activities.model.types import Noun


class Storm(Noun):
    """A loop in storm mode: it only observes. Times are unix seconds.

    `why` holds the numbers it was entered with. `calm_since` is since when less than what is needed to leave is in
    trouble, None while it is more.
    """

    loop: str
    since: float
    why: str
    calm_since: float | None = None
