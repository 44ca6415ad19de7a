"""Faults of the plant and of what observes it, one incident after the other."""

import asyncio

from deploy.simulator.faults import FaultKind
from deploy.simulator.idempotency import Keys
from deploy.simulator.topology import SERVICES
from tests.simulation.environment import World
from tests.simulation.operators import People
from tests.simulation.random_faults import CALM, Weather

LONGEST = 300.0
"""Seconds until somebody ends the faults by hand."""
HOUR = 3600.0
CLOCK_STEPS = (HOUR, -HOUR)
SERVICE_ONLY = frozenset({FaultKind.BAD_POLICY, FaultKind.RETRY_CASCADE})
MEMBER_ONLY = frozenset({FaultKind.SLOW_NODE, FaultKind.DEAD_NODE})
EYES = ("down", "partial", "frozen")
OFTEN = {
    kind: 1 if kind in (FaultKind.EXPORTER_SILENT, FaultKind.EXPORTER_LYING) else 2
    for kind in FaultKind
    if kind is not FaultKind.REMEDY_WORSENS
}
"""How often each fault comes: those of an exporter half as often as the others, since nothing is done against them."""


class Troubles:
    """Brings incidents, with `gap` seconds of peace in between on the mean.

    `present` while one is on; `blind` collects when nothing true could be seen.
    """

    def __init__(self, world: World, weather: Weather, people: People, gap: float) -> None:
        self.random, self.gap = weather.random, gap
        self.world, self.weather, self.people = world, weather, people
        self.present = False
        self.count = 0
        self.blind: list[tuple[float, float]] = []
        self.blind_since: float | None = None

    async def come_and_go(self) -> None:
        """Bring one incident after the other, until cancelled."""
        while True:
            await self.peace(120.0 + self.random.expovariate(1.0 / self.gap))
            await self.incident()

    async def peace(self, seconds: float) -> None:
        """Bring nothing for so long; what an undo brought back (a broken policy) is ended by hand in the end."""
        until = self.world.now + seconds
        while self.world.now < until:
            await asyncio.sleep(min(LONGEST, until - self.world.now))
            if self.world.plant.faults:
                self.world.plant.heal()
                self.world.charter.cache.clear()

    async def incident(self) -> None:
        """Bring one incident: a fault or two, the weather of the day, people who do things."""
        self.present = True
        self.count += 1
        self.weather.climate = self.random.choice(self.weather.climates)
        self.inject()
        until = self.world.now + self.random.uniform(150.0, LONGEST)
        while self.world.now < until and (self.world.plant.faults or self.world.engine.running):
            await asyncio.sleep(self.random.uniform(5.0, 60.0))
            self.interfere()
            self.people.act()
        self.end()
        self.present = False

    def inject(self) -> None:
        """Switch one fault on, often one that worsens its remedy, sometimes a second one."""
        self.one_fault()
        if self.random.random() < 0.25:
            self.world.plant.inject(FaultKind.REMEDY_WORSENS, SERVICES[0], self.random.uniform(200.0, LONGEST))
        if self.random.random() < 0.5:
            self.one_fault()

    def one_fault(self) -> None:
        """Switch one fault on somewhere."""
        (kind,) = self.random.choices(list(OFTEN), list(OFTEN.values()))
        members = self.world.plant.committee.names
        places = SERVICES if kind in SERVICE_ONLY else members if kind in MEMBER_ONLY else (*SERVICES, *members)
        lasts = self.random.choice((None, self.random.uniform(60.0, 200.0), self.random.uniform(150.0, LONGEST)))
        self.world.plant.inject(kind, self.random.choice(places), lasts)
        self.world.counts[f"fault {kind}"] += 1

    def interfere(self) -> None:
        """Now and then take the loop's eyes away, turn its clock, or let Charter forget its keys."""
        drawn = self.random.random()
        if drawn < 0.04:
            self.look_away(self.random.choice(EYES))
        elif drawn < 0.10:
            self.look_away("")
        elif drawn < 0.12:
            self.turn_clock(self.random.choice(CLOCK_STEPS))
        elif drawn < 0.16 and self.world.skew:
            self.turn_clock(0.0)
        elif drawn < 0.18:
            self.world.charter.keys = Keys()
            self.world.counts["keys forgotten"] += 1
        elif drawn < 0.24:
            self.one_fault()

    def look_away(self, trouble: str) -> None:
        """Set what is wrong with Prometheus, and remember how long nothing could be seen."""
        world = self.world
        if trouble == world.prometheus.trouble:
            return
        if self.blind_since is not None:
            # A frozen Prometheus is believed while its samples are fresh, and a cycle may act a minute after it looked.
            self.blind.append((self.blind_since + 120.0, world.now))
        self.blind_since = world.now if trouble else None
        world.prometheus.trouble = trouble
        world.counts[f"prometheus {trouble or 'well'}"] += 1

    def turn_clock(self, skew: float) -> None:
        """Make the worker's clock wrong by so many seconds."""
        if skew != self.world.skew:
            self.world.skew = skew
            self.world.counts["clock steps"] += 1

    def end(self) -> None:
        """End all trouble."""
        self.look_away("")
        self.turn_clock(0.0)
        self.weather.climate = CALM
        self.world.plant.heal()
        self.world.charter.cache.clear()
