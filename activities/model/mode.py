"""The mode of a loop: act, observe or stopped, set by an operator or the kill switch."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar

from activities.model.types import MigratedModel


class LoopMode(StrEnum):
    """The permissions of a loop."""

    ACT = "act"
    OBSERVE = "observe"
    STOPPED = "stopped"


class Mode(MigratedModel):
    """The mode of a loop, with the actor and the reason.

    `until` is unix seconds, None without an end. `previous` is the mode before the last pause or stop.
    `by_kill_switch`: the kill switch is active, and `reason` names its source.
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
    """Return the mode in force at `now` (unix seconds): the stored one, or `initial` without one.

    After its `until`, a mode is replaced by the one before it.
    """
    if stored is None:
        return initial
    if stored.until is None or now < stored.until:
        return stored
    reason = f"{stored.name} ended as planned: {stored.reason}"
    return Mode(
        loop=stored.loop, name=stored.previous or initial.name, actor=stored.actor, reason=reason, at=stored.until
    )


def with_kill_switch(kill_switch: str, mode: Mode) -> Mode:
    """Return mode stopped if `kill_switch` names an active kill switch, and `mode` if it is empty."""
    if not kill_switch:
        return mode
    return Mode(loop=mode.loop, name=LoopMode.STOPPED, reason=kill_switch, previous=mode.name, by_kill_switch=True)
