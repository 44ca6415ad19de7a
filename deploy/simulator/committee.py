"""The validator committee: who belongs to it, who is out for a restart, who leads."""

from dataclasses import dataclass
from typing import Final

from deploy.simulator.records import ChangeOrigin, KnobChange, Restart
from deploy.simulator.topology import INITIAL_MEMBERS, MAX_MEMBERS, validator_name

JOIN_SECONDS: Final = 3.0
"""Seconds until a new member carries load."""
RESTART_SECONDS: Final = 3.5
"""Seconds a component that was named, or is sick, is out for its restart."""
FORCED_RESTART_SECONDS: Final = 3.0
"""Seconds out when the restart does not wait for running work (`graceful: false`)."""
ROLLING_RESTART_SECONDS: Final = 1.5
"""Seconds a healthy member is out when all are restarted in turn."""


class Committee:
    """Members with the time from which they carry load, and one generation for scaling and restarting."""

    def __init__(self, now: float) -> None:
        self._joined = {validator_name(number): now for number in range(1, INITIAL_MEMBERS + 1)}
        self.generation = 1
        self.last_change: KnobChange | None = None
        self.last_restart: Restart | None = None
        self.leader: str | None = validator_name(1)

    @property
    def member_names(self) -> tuple[str, ...]:
        """All members by number, those who still join included."""
        return tuple(sorted(self._joined, key=_member_number))

    def joined_members(self, now: float) -> tuple[str, ...]:
        """Members that have joined by `now` (unix seconds)."""
        return tuple(name for name in self.member_names if self._joined[name] <= now)

    def record_change(self, origin: ChangeOrigin, at: float) -> KnobChange:
        """Count one change of the committee."""
        self.generation += 1
        self.last_change = KnobChange(origin.key, origin.plan_hash, self.generation, at)
        return self.last_change

    def grow(self, replicas: int, now: float) -> None:
        """Invite members under the lowest free numbers; they join after `JOIN_S`."""
        free = (validator_name(number) for number in range(1, MAX_MEMBERS + 1))
        for name in [name for name in free if name not in self._joined][: replicas - len(self._joined)]:
            self._joined[name] = now + JOIN_SECONDS

    def shrink(self, replicas: int, undrainable: frozenset[str]) -> list[str]:
        """Dismiss the newest members, those in `stuck` and the leader last; return their names."""
        order = sorted(
            self.member_names, key=lambda name: (name in undrainable or name == self.leader, -_member_number(name))
        )
        leaving = order[: len(self._joined) - replicas]
        for name in leaving:
            del self._joined[name]
        return leaving

    def elect_leader(self, responding: frozenset[str]) -> None:
        """Keep the leader while it answers; otherwise the lowest number that does, or nobody."""
        if self.leader not in responding or self.leader not in self._joined:
            self.leader = next((name for name in self.member_names if name in responding), None)


@dataclass(frozen=True)
class _QueuedRestart:
    component: str
    seconds: float


class RestartQueue:
    """Components that are out for a restart, one queue: the next one goes when the one before is back."""

    def __init__(self) -> None:
        self._waiting: list[_QueuedRestart] = []
        self._back_at: dict[str, float] = {}

    def components_down(self) -> frozenset[str]:
        """Components that are out now."""
        return frozenset(self._back_at)

    @property
    def is_busy(self) -> bool:
        """Whether any component is out or waits for its turn."""
        return bool(self._waiting or self._back_at)

    def enqueue(self, component: str, seconds: float) -> None:
        """Take the component out for that long as soon as it is its turn."""
        self._waiting.append(_QueuedRestart(component, seconds))

    def remove(self, component: str) -> None:
        """Drop a component that left the system."""
        self._waiting = [turn for turn in self._waiting if turn.component != component]
        self._back_at.pop(component, None)

    def advance(self, now: float) -> tuple[list[str], list[str]]:
        """Advance to `now`; return who came back and who went out."""
        back = [component for component, at in self._back_at.items() if at <= now]
        for component in back:
            del self._back_at[component]
        gone: list[str] = []
        if self._waiting and not self._back_at:
            turn = self._waiting.pop(0)
            self._back_at[turn.component] = now + turn.seconds
            gone.append(turn.component)
        return back, gone


def _member_number(name: str) -> int:
    return int(name.rpartition("-")[2])
