"""What goes wrong around a loop, drawn from a seed."""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.simulation.charter_api import TROUBLES

KILL, FREEZE, LOCKED, UNHEARD = "kill", "freeze", "locked", "unheard"
"""At a point: the worker dies; the attempt stands still; the store is locked; the commit stands, its answer is lost."""


class Chance(Protocol):
    """Asked whenever something could go wrong."""

    def at(self, edge: str, point: str) -> str:
        """Return what happens to whoever passes this point: nothing (empty), or one of the four above."""

    def charter(self, path: str) -> str:
        """Return what happens to a request to Charter: nothing (empty), or one of `TROUBLES`."""


@dataclass(frozen=True)
class Climate:
    """How likely each kind of trouble is, at each point or request, 0 to 1."""

    kill: float = 0.0
    freeze: float = 0.0
    locked: float = 0.0
    unheard: float = 0.0
    changes: float = 0.0
    reads: float = 0.0


CALM = Climate()
CLIMATES = (
    CALM,
    Climate(kill=0.02),
    Climate(freeze=0.015),
    Climate(locked=0.03, unheard=0.02),
    Climate(changes=0.5),
    Climate(changes=0.3, reads=0.03),
    Climate(kill=0.01, freeze=0.005, locked=0.01, unheard=0.01, changes=0.2, reads=0.01),
)

HARSH = (
    Climate(changes=0.7, unheard=0.05),
    Climate(kill=0.02, changes=0.5, unheard=0.05),
)
"""For a hunt: what the promises are about, all the time."""


class Weather:
    """Trouble drawn from `random` in the present `climate`. `counts` tells how often each kind came.

    `climates` are those an incident may come with.
    """

    def __init__(self, random: Random, climates: tuple[Climate, ...] = CLIMATES) -> None:
        self.random, self.climate, self.climates = random, CALM, climates
        self.counts: dict[str, int] = {}

    def at(self, edge: str, point: str) -> str:
        """Draw what happens at a point."""
        climate = self.climate
        if climate is CALM:
            return ""
        drawn = self.random.random()
        after_commit = edge == "store.write" and point == "after"
        bands = (
            (KILL, climate.kill),
            (FREEZE, climate.freeze),
            (LOCKED, climate.locked if edge.startswith("store") and point == "before" else 0.0),
            (UNHEARD, climate.unheard if after_commit else 0.0),
        )
        for kind, share in bands:
            if drawn < share:
                return self.counted(f"{kind} at {edge} {point}", kind)
            drawn -= share
        return ""

    def charter(self, path: str) -> str:
        """Draw what happens to a request."""
        changes = path.endswith(("apply", "rollback", "scale", "restart"))
        share = self.climate.changes if changes else self.climate.reads
        if not share or self.random.random() >= share:
            return ""
        trouble = self.random.choice(TROUBLES)
        return self.counted(f"{trouble if changes else 'refused'} at charter", trouble)

    def counted(self, name: str, kind: str) -> str:
        """Count a trouble and return its kind."""
        self.counts[name] = self.counts.get(name, 0) + 1
        return kind
