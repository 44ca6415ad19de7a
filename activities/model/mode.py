"""A loop's mode."""

from enum import StrEnum

from activities.model.types import Noun


class ModeName(StrEnum):
    """What the loop may do."""

    ACT = "act"
    OBSERVE = "observe"
    STOPPED = "stopped"


class Mode(Noun):
    """The mode in force, with who set it and why. `until` is unix seconds, None for until further notice;
    `previous` is the mode before the last pause or stop. `switched`: the kill switch is thrown, `why` tells by what.
    """

    loop: str
    name: ModeName
    who: str = ""
    why: str = ""
    at: float = 0.0
    until: float | None = None
    previous: ModeName | None = None
    switched: bool = False

    @property
    def text(self) -> str:
        """One line for the audit: `observe until 1767225600: a drill`."""
        until = "" if self.until is None else f" until {self.until:.0f}"
        return f"{self.name}{until}: {self.why}"


def in_force(stored: Mode | None, first: Mode, now: float) -> Mode:
    """Return the mode in force at `now` (unix seconds): the stored one, `first` if there is none.

    A mode whose `until` has passed gives way to the one before it.
    """
    if stored is None:
        return first
    if stored.until is None or now < stored.until:
        return stored
    why = f"{stored.name} ended as it was meant to: {stored.why}"
    return Mode(loop=stored.loop, name=stored.previous or first.name, who=stored.who, why=why, at=stored.until)


def under(switch: str, mode: Mode) -> Mode:
    """Return the mode while `switch` tells that the kill switch is thrown: stopped; `mode` itself if it is empty."""
    if not switch:
        return mode
    return Mode(loop=mode.loop, name=ModeName.STOPPED, why=switch, previous=mode.name, switched=True)
