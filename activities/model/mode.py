"""A loop's mode."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from activities.model.types import MigratedModel


class LoopMode(StrEnum):
    """What the loop may do."""

    ACT = "act"
    OBSERVE = "observe"
    STOPPED = "stopped"


class Mode(MigratedModel):
    """The mode in force, with who set it and why. `until` is unix seconds, None for until further notice;
    `previous` is the mode before the last pause or stop. `switched`: the kill switch is thrown, `why` tells by what.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"who": "actor", "why": "reason", "switched": "by_kill_switch"}

    loop: str
    name: LoopMode
    actor: str = ""
    reason: str = ""
    at: float = 0.0
    until: float | None = None
    previous: LoopMode | None = None
    by_kill_switch: bool = False

    @property
    def summary(self) -> str:
        """One line for the audit: `observe until 2026-01-01T00:00:00Z: a drill`."""
        if self.until is None:
            return f"{self.name}: {self.reason}"
        until = datetime.fromtimestamp(self.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{self.name} until {until}: {self.reason}"


def effective_mode(stored: Mode | None, initial: Mode, now: float) -> Mode:
    """Return the mode in force at `now` (unix seconds): the stored one, `first` if there is none.

    A mode whose `until` has passed gives way to the one before it.
    """
    if stored is None:
        return initial
    if stored.until is None or now < stored.until:
        return stored
    why = f"{stored.name} ended as it was meant to: {stored.reason}"
    return Mode(loop=stored.loop, name=stored.previous or initial.name, actor=stored.actor, reason=why, at=stored.until)


def with_kill_switch(kill_switch: str, mode: Mode) -> Mode:
    """Return the mode while `switch` tells that the kill switch is thrown: stopped; `mode` itself if it is empty."""
    if not kill_switch:
        return mode
    return Mode(loop=mode.loop, name=LoopMode.STOPPED, reason=kill_switch, previous=mode.name, by_kill_switch=True)
