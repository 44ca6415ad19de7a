"""The state of one running simulator, and the only reader of the clock."""

import time
from dataclasses import dataclass, field
from typing import Any

from deploy.simulator.idempotency import IdempotencyStore
from deploy.simulator.plant import Plant
from deploy.simulator.records import LedgerEntry


class WallClock:
    """Unix time that starts at the wall clock and follows the monotonic clock, so it never jumps."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return unix seconds."""
        return self._offset + time.monotonic()


@dataclass(frozen=True)
class SimulatorOptions:
    """The options of the simulator; `failure_rate` is the fraction of API requests that fail."""

    token: str
    control_api: bool = False
    seed: int = 0
    failure_rate: float = 0.0


@dataclass(frozen=True)
class EffectContext:
    """One effect with the body of its request and the committee just before it."""

    ledger_entry: LedgerEntry
    request_body: dict[str, Any]
    committee_before: dict[str, Any]


@dataclass
class Simulator:
    """The plant with its clock, the stored replies and the context of each effect."""

    options: SimulatorOptions
    clock: WallClock = field(default_factory=WallClock)
    idempotency_store: IdempotencyStore = field(default_factory=IdempotencyStore)
    effect_contexts: list[EffectContext] = field(default_factory=list)
    _plant: Plant = field(init=False)

    def __post_init__(self) -> None:
        self._plant = Plant(self.clock.now(), self.options.seed)

    def advance_plant(self) -> Plant:
        """Return the plant, advanced to now."""
        self._plant.advance(self.clock.now())
        return self._plant
