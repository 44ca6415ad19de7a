"""A long seeded life of one loop: idle stretches, faults, bad weather, people, and a rest at the end.

While all is well the plant stands still and the same scrape is repeated, but every cycle still looks and judges.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from activities.model.cycle import CycleRequest, MonitorRequest
from activities.model.intake import UpkeepRequest
from tests.simulation.environment import SETTINGS, UNGUARDED, World
from tests.simulation.incidents import Troubles
from tests.simulation.operators import People
from tests.simulation.random_faults import CALM, CLIMATES, HARSH, Weather
from tests.simulation.virtual_prometheus import within
from tests.simulation.workflow_run import AlreadyRunning, Run

PERIOD, SCRAPE = 30.0, 15.0
SETTLED = 5
"""Scrapes without anything unusual after which the plant may stand still: the longest window, and one more."""
REST = 300.0
"""Seconds of quiet at the end: two periods, and the time the last remediations need."""
CYCLE_LIMIT = 60.0
IDLE_UPKEEP = 40
"""While all is well, upkeep runs in every so many periods."""
RESTING_UPKEEP, PEACEFUL_UPKEEP = 4, 10
"""The same while a remediation rests, and where there is never anything to look after."""

ALERTED, ALERTED_HARSH = 0.03, 0.2
"""Share of the periods in which an alert comes, at any moment, and when violations are hunted for."""
GAP, SHORT_GAP = 2800.0, 60.0
"""Mean seconds of peace between incidents, and when violations are hunted for."""


class Temper(StrEnum):
    """How a life goes. Peaceful: nothing is ever injected, and the plant never stands still."""

    USUAL = "usual"
    HARSH = "harsh"
    PEACEFUL = "peaceful"


@dataclass
class Tally:
    """Cycles by how they were run, and skipped ones."""

    idle: int = 0
    full: int = 0
    skipped: int = 0


def rests(run: Run) -> bool:
    """Tell whether a run only waits: for the end of its cool-down, or for a person."""
    return run.attributes.get("MapekPhase") in ("cooling-down", "quarantined")


class Driver:
    """Drives one world with this temper."""

    def __init__(self, seed: int, temper: Temper = Temper.USUAL) -> None:
        self.random = Random(seed)
        # Half of the usual lives go without guard rails: with its budgets a loop does less, and more has to be seen.
        harsh = temper is Temper.HARSH
        self.weather = Weather(self.random, HARSH if harsh else CLIMATES)
        self.guarded = temper is Temper.PEACEFUL or (not harsh and seed % 2 == 0)
        self.world = World(seed, self.weather, SETTINGS if self.guarded else UNGUARDED)
        self.alerted = ALERTED_HARSH if harsh else ALERTED
        self.troubled = temper is not Temper.PEACEFUL
        self.tally = Tally()
        self.alerts: list[dict[str, float]] = []
        self.observed: list[float] = []
        self.quiet_since: float | None = None
        self.calm_scrapes = 0
        self.number = 0
        self.stood_still = 0.0
        self.people = People(self.world, self.random)
        self.troubles = Troubles(self.world, self.weather, self.people, SHORT_GAP if harsh else GAP)

    async def live(self, cycles: int) -> None:
        """Live so many cycles, then rest until everything that runs has come to its end."""
        tasks = [asyncio.create_task(self.troubles.come_and_go())] if self.troubled else []
        self.scrape()
        while self.number < cycles:
            await self.period()
        for task in tasks:
            task.cancel()
        self.troubles.end()
        await self.rest()

    async def rest(self) -> None:
        """Let two quiet periods pass, and whatever still runs come to its end."""
        self.weather.climate = CALM
        self.world.skew = 0.0
        self.quiet_since = self.world.now
        until = self.world.now + REST
        while self.world.now < until:
            await self.people.tidy_up()
            await self.period()

    async def period(self) -> None:
        """One period: two scrapes, a cycle, half a period later upkeep."""
        self.number += 1
        if self.idle:
            await self.idle_period()
            return
        self.wake()
        if self.troubled and self.quiet_since is None and self.random.random() < self.alerted:
            asyncio.get_running_loop().call_later(self.random.uniform(0.0, PERIOD), self.alert)
        self.begin_cycle("")
        self.scrape()
        await asyncio.sleep(SCRAPE)
        self.scrape()
        if self.number % (4 if self.troubled else PEACEFUL_UPKEEP) == 0 or self.quiet_since is not None:
            self.begin("MapekUpkeep", f"mapek-upkeep:charter-{self.number}", UpkeepRequest(loop="charter"))
        await asyncio.sleep(PERIOD - SCRAPE)

    async def idle_period(self) -> None:
        """The same while all is well: nothing is simulated, but the cycle looks all the same."""
        world = self.world
        world.plant.skip(PERIOD)
        self.stood_still += PERIOD
        world.prometheus.repeat(world.now)
        observation = await world.monitor.monitor(MonitorRequest(loop="charter"))
        world.counts[f"cycle {observation.outcome or 'troubled'}"] += 1
        self.tally.idle += 1
        if self.number % (RESTING_UPKEEP if world.engine.running else IDLE_UPKEEP) == 0:
            self.begin("MapekUpkeep", f"mapek-upkeep:charter-{self.number}", UpkeepRequest(loop="charter"))
        await asyncio.sleep(SCRAPE)
        world.prometheus.repeat(world.now)
        await asyncio.sleep(PERIOD - SCRAPE)

    def wake(self) -> None:
        """Bring a plant that stood still back to work."""
        if self.stood_still:
            self.world.plant.wake()
            self.world.prometheus.wake(self.stood_still)
            self.stood_still = 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing is wrong, and nothing runs but remediations that only rest; never in the rest at the end."""
        living = self.troubled and self.quiet_since is None
        calm = self.calm_scrapes >= SETTLED and self.weather.climate is CALM and not self.troubles.present
        return living and calm and all(map(rests, self.world.engine.running.values()))

    def scrape(self) -> None:
        """Let Prometheus scrape the plant as it is now."""
        world = self.world
        world.plant.advance(world.now)
        world.charter.cache.clear()
        world.prometheus.scrape(world.now, world.plant.exports())
        last = world.prometheus.scrapes[-1]
        odd = last.prefilter is None and not all(map(self.usual, last.values.values()))
        well = not odd and not world.plant.restarts.busy and not world.plant.faults and not world.skew
        well = well and len(last.values) == len(world.plant.components) and world.now - last.at < 1.0
        self.calm_scrapes = self.calm_scrapes + 1 if well and all(last.moving.values()) else 0

    def usual(self, values: dict[str, float]) -> bool:
        """Tell whether no rule's value is beyond its nearer limit."""
        return all(within(rule, values[rule.metric]) for rule in self.world.prometheus.rules if rule.metric in values)

    def begin_cycle(self, trigger: str) -> None:
        """Start a cycle, unless the one before still runs."""
        kind = trigger or "schedule"
        workflow_id = f"mapek-cycle:charter-{self.number}{trigger}"
        running = [run for run in self.world.engine.running.values() if run.type == "MapekCycle"]
        for run in running:
            if self.world.now - run.started >= CYCLE_LIMIT:
                self.world.engine.terminate(run.workflow_id)
        if kind == "schedule" and any(":charter-" in run.workflow_id for run in running if run.closed is None):
            self.tally.skipped += 1
            return
        self.tally.full += 1
        self.observed.append(self.world.now)
        self.begin("MapekCycle", workflow_id, CycleRequest(loop="charter", trigger=kind))

    def begin(self, kind: str, workflow_id: str, request: CycleRequest | UpkeepRequest) -> None:
        """Start a workflow; one that still runs under the id is as good."""
        try:
            self.world.engine.start(kind, workflow_id, request)
        except AlreadyRunning:
            self.world.counts["already running"] += 1

    def alert(self) -> None:
        """An alert comes, is answered, and starts a cycle of its own."""
        self.alerts.append({"answered_at": self.world.now})
        self.begin_cycle("alert")
