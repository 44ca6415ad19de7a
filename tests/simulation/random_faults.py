"""Random faults of worker, store and Charter, drawn from a seed."""

from dataclasses import dataclass
from random import Random
from typing import Protocol

from tests.simulation.charter_api import CHARTER_FAULTS

KILL, FREEZE, STORE_LOCKED, REPLY_LOST = "kill", "freeze", "locked", "unheard"
"""At a point: the worker is killed; the attempt freezes; the store is locked; a commit's reply is lost."""


class FaultSource(Protocol):
    """Decides which fault happens where."""

    def fault_at_point(self, edge: str, point: str) -> str:
        """Return the fault at this point: empty, or one of the four above."""

    def fault_of_request(self, path: str) -> str:
        """Return the fault of a request to Charter: empty, or one of `CHARTER_FAULTS`."""


@dataclass(frozen=True)
class FaultRates:
    """The probability of each kind of fault at each point or request, 0 to 1."""

    kill: float = 0.0
    freeze: float = 0.0
    store_locked: float = 0.0
    reply_lost: float = 0.0
    changes: float = 0.0
    reads: float = 0.0


NO_FAULTS = FaultRates()
FAULT_RATE_SETS = (
    NO_FAULTS,
    FaultRates(kill=0.02),
    FaultRates(freeze=0.015),
    FaultRates(store_locked=0.03, reply_lost=0.02),
    FaultRates(changes=0.5),
    FaultRates(changes=0.3, reads=0.03),
    FaultRates(kill=0.01, freeze=0.005, store_locked=0.01, reply_lost=0.01, changes=0.2, reads=0.01),
)

HARSH_FAULT_RATE_SETS = (
    FaultRates(changes=0.7, reply_lost=0.05),
    FaultRates(kill=0.02, changes=0.5, reply_lost=0.05),
)
"""The rates of harsh lives: mostly faults that break invariants of a wrong loop."""


class RandomFaults:
    """Faults drawn from `random` with the present `rates`. `counts` has the number of each kind.

    `rate_sets` are the rates of which each incident has one.
    """

    def __init__(self, random: Random, rate_sets: tuple[FaultRates, ...] = FAULT_RATE_SETS) -> None:
        self.random, self.rates, self.rate_sets = random, NO_FAULTS, rate_sets
        self.counts: dict[str, int] = {}

    def fault_at_point(self, edge: str, point: str) -> str:
        """Draw the fault at a point."""
        rates = self.rates
        if rates is NO_FAULTS:
            return ""
        drawn = self.random.random()
        after_commit = edge == "store.write" and point == "after"
        bands = (
            (KILL, rates.kill),
            (FREEZE, rates.freeze),
            (STORE_LOCKED, rates.store_locked if edge.startswith("store") and point == "before" else 0.0),
            (REPLY_LOST, rates.reply_lost if after_commit else 0.0),
        )
        for kind, share in bands:
            if drawn < share:
                return self.count_fault(f"{kind} at {edge} {point}", kind)
            drawn -= share
        return ""

    def fault_of_request(self, path: str) -> str:
        """Draw the fault of a request."""
        changes = path.endswith(("apply", "rollback", "scale", "restart"))
        share = self.rates.changes if changes else self.rates.reads
        if not share or self.random.random() >= share:
            return ""
        fault = self.random.choice(CHARTER_FAULTS)
        return self.count_fault(f"{fault if changes else 'refused'} at charter", fault)

    def count_fault(self, name: str, kind: str) -> str:
        """Count a fault and return its kind."""
        self.counts[name] = self.counts.get(name, 0) + 1
        return kind
