"""The validator committee: its members, its leader and the queue of restarts."""

from dataclasses import dataclass
from typing import Final

from deploy.simulator.records import ChangeOrigin, KnobChange, Restart
from deploy.simulator.topology import INITIAL_MEMBERS, MAX_MEMBERS, validator_name

JOIN_SECONDS: Final = 3.0
"""Seconds until a new member carries load."""
RESTART_SECONDS: Final = 3.5
"""Restart time of a named or unhealthy component."""
FORCED_RESTART_SECONDS: Final = 3.0
"""Restart time without waiting for running work (`graceful: false`)."""
ROLLING_RESTART_SECONDS: Final = 1.5
"""Restart time of a healthy member in a rolling restart."""


class Committee:
    """The members with the time at which they joined, and one generation for scaling and restarting."""

    def __init__(self, now: float) -> None:
        self._joined = {validator_name(number): now for number in range(1, INITIAL_MEMBERS + 1)}
        self.generation = 1
        self.last_change: KnobChange | None = None
        self.last_restart: Restart | None = None
        self.leader: str | None = validator_name(1)

    @property
    def member_names(self) -> tuple[str, ...]:
        """All members by number, including joining ones."""
        return tuple(sorted(self._joined, key=_member_number))

    def joined_members(self, now: float) -> tuple[str, ...]:
        """Return the members that have joined by `now` (unix seconds)."""
        return tuple(name for name in self.member_names if self._joined[name] <= now)

    def record_change(self, origin: ChangeOrigin, at: float) -> KnobChange:
        """Record one change of the committee and increment the generation."""
        self.generation += 1
        self.last_change = KnobChange(origin.key, origin.plan_hash, self.generation, at)
        return self.last_change

    def grow(self, replicas: int, now: float) -> None:
        """Add members with the lowest free numbers; they join after `JOIN_SECONDS`."""
        free = (validator_name(number) for number in range(1, MAX_MEMBERS + 1))
        for name in [name for name in free if name not in self._joined][: replicas - len(self._joined)]:
            self._joined[name] = now + JOIN_SECONDS

    def shrink(self, replicas: int, undrainable: frozenset[str]) -> list[str]:
        """Remove the newest members, undrainable ones and the leader last; return their names."""
        order = sorted(
            self.member_names, key=lambda name: (name in undrainable or name == self.leader, -_member_number(name))
        )
        leaving = order[: len(self._joined) - replicas]
        for name in leaving:
            del self._joined[name]
        return leaving

    def elect_leader(self, responding: frozenset[str]) -> None:
        """Keep a responding leader; otherwise choose the responding member with the lowest number, or None."""
        if self.leader not in responding or self.leader not in self._joined:
            self.leader = next((name for name in self.member_names if name in responding), None)


@dataclass(frozen=True)
class _QueuedRestart:
    component: str
    seconds: float


class RestartQueue:
    """The queue of restarts: one component restarts at a time."""

    def __init__(self) -> None:
        self._waiting: list[_QueuedRestart] = []
        self._back_at: dict[str, float] = {}

    def components_down(self) -> frozenset[str]:
        """Return the components that restart now."""
        return frozenset(self._back_at)

    @property
    def is_busy(self) -> bool:
        """Whether a component restarts or waits for its restart."""
        return bool(self._waiting or self._back_at)

    def enqueue(self, component: str, seconds: float) -> None:
        """Add a restart of this duration to the queue."""
        self._waiting.append(_QueuedRestart(component, seconds))

    def remove(self, component: str) -> None:
        """Remove a component that left the system."""
        self._waiting = [restart for restart in self._waiting if restart.component != component]
        self._back_at.pop(component, None)

    def advance(self, now: float) -> tuple[list[str], list[str]]:
        """Advance to `now`; return the components that came back and those that went down."""
        restored = [component for component, at in self._back_at.items() if at <= now]
        for component in restored:
            del self._back_at[component]
        stopped: list[str] = []
        if self._waiting and not self._back_at:
            restart = self._waiting.pop(0)
            self._back_at[restart.component] = now + restart.seconds
            stopped.append(restart.component)
        return restored, stopped


def _member_number(name: str) -> int:
    return int(name.rpartition("-")[2])
