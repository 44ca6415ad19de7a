"""A loop's mode."""

from enum import StrEnum

from activities.model.base import Noun


class ModeName(StrEnum):
    """What the loop may do."""

    ACT = "act"
    OBSERVE = "observe"
    STOPPED = "stopped"


class Mode(Noun):
    """The mode in force, with who set it and why. `until` is unix seconds, None for until further notice;
    `previous` is the mode before the last pause or stop.
    """

    loop: str
    name: ModeName
    who: str = ""
    why: str = ""
    at: float = 0.0
    until: float | None = None
    previous: ModeName | None = None
