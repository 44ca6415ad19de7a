"""Incidents: faults of the plant, of Prometheus and of the worker's clock, one incident after the other."""

import asyncio

from deploy.simulator.faults import FaultKind
from deploy.simulator.idempotency import IdempotencyStore
from deploy.simulator.topology import SERVICES
from tests.simulation.environment import SimulatedEnvironment
from tests.simulation.operators import Operators
from tests.simulation.random_faults import NO_FAULTS, RandomFaults

MAX_INCIDENT_SECONDS = 300.0
"""Seconds until the faults of an incident are cleared."""
HOUR_SECONDS = 3600.0
CLOCK_STEPS_SECONDS = (HOUR_SECONDS, -HOUR_SECONDS)
SERVICE_FAULTS = frozenset({FaultKind.BAD_POLICY, FaultKind.RETRY_CASCADE})
MEMBER_FAULTS = frozenset({FaultKind.SLOW_NODE, FaultKind.DEAD_NODE})
PROMETHEUS_FAULTS = ("down", "partial", "frozen")
FAULT_WEIGHTS = {
    kind: 1 if kind in (FaultKind.EXPORTER_SILENT, FaultKind.EXPORTER_LYING) else 2
    for kind in FaultKind
    if kind is not FaultKind.REMEDY_WORSENS
}
"""Relative frequency of each fault. Faults of an exporter are rarer: the loop has no remedy for them."""


class IncidentGenerator:
    """Generates incidents, on average `gap_seconds` apart.

    `is_active` during an incident. `blind_intervals` are those in which Prometheus had a fault.
    """

    def __init__(
        self, environment: SimulatedEnvironment, random_faults: RandomFaults, operators: Operators, gap_seconds: float
    ) -> None:
        self.random, self.gap_seconds = random_faults.random, gap_seconds
        self.environment, self.random_faults, self.operators = environment, random_faults, operators
        self.is_active = False
        self.count = 0
        self.blind_intervals: list[tuple[float, float]] = []
        self.blind_since: float | None = None

    async def generate_incidents(self) -> None:
        """Play one incident after the other, until cancelled."""
        while True:
            await self.wait_quietly(120.0 + self.random.expovariate(1.0 / self.gap_seconds))
            await self.play_incident()

    async def wait_quietly(self, seconds: float) -> None:
        """Wait without incidents, and clear faults that an undo brought back (a broken policy)."""
        until = self.environment.now + seconds
        while self.environment.now < until:
            await asyncio.sleep(min(MAX_INCIDENT_SECONDS, until - self.environment.now))
            if self.environment.plant.faults:
                self.environment.plant.clear_faults()
                self.environment.charter.cache.clear()

    async def play_incident(self) -> None:
        """Play one incident: one or two faults, random faults of the remotes, and acts of operators."""
        self.is_active = True
        self.count += 1
        self.random_faults.rates = self.random.choice(self.random_faults.rate_sets)
        self.inject_faults()
        until = self.environment.now + self.random.uniform(150.0, MAX_INCIDENT_SECONDS)
        while self.environment.now < until and (self.environment.plant.faults or self.environment.engine.running):
            await asyncio.sleep(self.random.uniform(5.0, 60.0))
            self.disturb_loop()
            self.operators.act_at_random()
        self.clear_all_faults()
        self.is_active = False

    def inject_faults(self) -> None:
        """Inject one fault, sometimes a second one, and sometimes one that makes a remedy worsen the problem."""
        self.inject_fault()
        if self.random.random() < 0.25:
            self.environment.plant.inject_fault(
                FaultKind.REMEDY_WORSENS, SERVICES[0], self.random.uniform(200.0, MAX_INCIDENT_SECONDS)
            )
        if self.random.random() < 0.5:
            self.inject_fault()

    def inject_fault(self) -> None:
        """Inject one fault at a random component."""
        (kind,) = self.random.choices(list(FAULT_WEIGHTS), list(FAULT_WEIGHTS.values()))
        members = self.environment.plant.committee.member_names
        components = SERVICES if kind in SERVICE_FAULTS else members if kind in MEMBER_FAULTS else (*SERVICES, *members)
        duration = self.random.choice(
            (None, self.random.uniform(60.0, 200.0), self.random.uniform(150.0, MAX_INCIDENT_SECONDS))
        )
        self.environment.plant.inject_fault(kind, self.random.choice(components), duration)
        self.environment.counts[f"fault {kind}"] += 1

    def disturb_loop(self) -> None:
        """Sometimes disturb Prometheus or the worker's clock, or let Charter lose its idempotency keys."""
        drawn = self.random.random()
        if drawn < 0.04:
            self.set_prometheus_fault(self.random.choice(PROMETHEUS_FAULTS))
        elif drawn < 0.10:
            self.set_prometheus_fault("")
        elif drawn < 0.12:
            self.set_clock_skew(self.random.choice(CLOCK_STEPS_SECONDS))
        elif drawn < 0.16 and self.environment.skew:
            self.set_clock_skew(0.0)
        elif drawn < 0.18:
            self.environment.charter.keys = IdempotencyStore()
            self.environment.counts["keys forgotten"] += 1
        elif drawn < 0.24:
            self.inject_fault()

    def set_prometheus_fault(self, fault: str) -> None:
        """Set the fault of Prometheus, and keep the interval in which the loop was blind."""
        world = self.environment
        if fault == world.prometheus.fault:
            return
        if self.blind_since is not None:
            # Samples of a frozen Prometheus are valid while fresh, and a cycle may plan a minute after it monitored.
            self.blind_intervals.append((self.blind_since + 120.0, world.now))
        self.blind_since = world.now if fault else None
        world.prometheus.fault = fault
        world.counts[f"prometheus {fault or 'well'}"] += 1

    def set_clock_skew(self, skew: float) -> None:
        """Set the error of the worker's clock, seconds."""
        if skew != self.environment.skew:
            self.environment.skew = skew
            self.environment.counts["clock steps"] += 1

    def clear_all_faults(self) -> None:
        """Clear all faults."""
        self.set_prometheus_fault("")
        self.set_clock_skew(0.0)
        self.random_faults.rates = NO_FAULTS
        self.environment.plant.clear_faults()
        self.environment.charter.cache.clear()
