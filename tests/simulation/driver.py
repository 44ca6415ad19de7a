"""A long seeded life of one loop: idle stretches, faults, bad weather, people, and a rest at the end.

While all is well the plant stands still and the same scrape is repeated, but every cycle still looks and judges.
"""

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from activities.model.cycle import CycleRequest, MonitorRequest
from activities.model.identifiers import SearchAttribute, WorkflowName
from activities.model.phase import Phase
from activities.model.upkeep import UpkeepRequest
from tests.simulation.environment import LOOP_SETTINGS, UNGUARDED_SETTINGS, SimulatedEnvironment
from tests.simulation.incidents import IncidentGenerator
from tests.simulation.operators import Operators
from tests.simulation.random_faults import FAULT_RATE_SETS, HARSH_FAULT_RATE_SETS, NO_FAULTS, RandomFaults
from tests.simulation.virtual_prometheus import is_below_prefilter
from tests.simulation.workflow_run import WorkflowIdInUse, WorkflowRun

PERIOD_SECONDS, SCRAPE_SECONDS = 30.0, 15.0
QUIET_PERIODS = 5
"""Scrapes without anything unusual after which the plant may stand still: the longest window, and one more."""
REST_SECONDS = 300.0
"""Seconds of quiet at the end: two periods, and the time the last remediations need."""
CYCLE_LIMIT_SECONDS = 60.0
IDLE_UPKEEP_PERIODS = 40
"""While all is well, upkeep runs in every so many periods."""
RESTING_UPKEEP_PERIODS, PEACEFUL_UPKEEP_PERIODS = 4, 10
"""The same while a remediation rests, and where there is never anything to look after."""

ALERT_PROBABILITY, ALERT_PROBABILITY_HARSH = 0.03, 0.2
"""Share of the periods in which an alert comes, at any moment, and when violations are hunted for."""
INCIDENT_GAP_SECONDS, INCIDENT_GAP_SECONDS_HARSH = 2800.0, 60.0
"""Mean seconds of peace between incidents, and when violations are hunted for."""


class FaultProfile(StrEnum):
    """How a life goes. Peaceful: nothing is ever injected, and the plant never stands still."""

    NORMAL = "usual"
    HARSH = "harsh"
    PEACEFUL = "peaceful"


@dataclass
class CycleCounts:
    """Cycles by how they were run, and skipped ones."""

    idle_count: int = 0
    full_count: int = 0
    skipped_count: int = 0


def is_waiting(run: WorkflowRun) -> bool:
    """Tell whether a run only waits: for the end of its cool-down, or for a person."""
    return run.attributes.get(SearchAttribute.PHASE) in (Phase.COOLING_DOWN, Phase.QUARANTINED)


class LifeDriver:
    """Drives one world with this temper."""

    def __init__(self, seed: int, profile: FaultProfile = FaultProfile.NORMAL) -> None:
        self.random = Random(seed)
        # Half of the usual lives go without guard rails: with its budgets a loop does less, and more has to be seen.
        harsh = profile is FaultProfile.HARSH
        self.random_faults = RandomFaults(self.random, HARSH_FAULT_RATE_SETS if harsh else FAULT_RATE_SETS)
        self.has_guards = profile is FaultProfile.PEACEFUL or (not harsh and seed % 2 == 0)
        self.environment = SimulatedEnvironment(
            seed, self.random_faults, LOOP_SETTINGS if self.has_guards else UNGUARDED_SETTINGS
        )
        self.alert_probability = ALERT_PROBABILITY_HARSH if harsh else ALERT_PROBABILITY
        self.has_incidents = profile is not FaultProfile.PEACEFUL
        self.cycle_counts = CycleCounts()
        self.alerts: list[dict[str, float]] = []
        self.observed_at: list[float] = []
        self.quiet_since: float | None = None
        self.calm_scrapes = 0
        self.cycle_number = 0
        self.skipped_seconds = 0.0
        self.operators = Operators(self.environment, self.random)
        self.incidents = IncidentGenerator(
            self.environment,
            self.random_faults,
            self.operators,
            INCIDENT_GAP_SECONDS_HARSH if harsh else INCIDENT_GAP_SECONDS,
        )

    async def run_cycles(self, cycles: int) -> None:
        """Live so many cycles, then rest until everything that runs has come to its end."""
        tasks = [asyncio.create_task(self.incidents.generate_incidents())] if self.has_incidents else []
        self.scrape()
        while self.cycle_number < cycles:
            await self.run_period()
        for task in tasks:
            task.cancel()
        self.incidents.clear_all_faults()
        await self.wait_until_at_rest()

    async def wait_until_at_rest(self) -> None:
        """Let two quiet periods pass, and whatever still runs come to its end."""
        self.random_faults.rates = NO_FAULTS
        self.environment.skew = 0.0
        self.quiet_since = self.environment.now
        until = self.environment.now + REST_SECONDS
        while self.environment.now < until:
            await self.operators.clean_up()
            await self.run_period()

    async def run_period(self) -> None:
        """One period: two scrapes, a cycle, half a period later upkeep."""
        self.cycle_number += 1
        if self.is_idle:
            await self.skip_idle_period()
            return
        self.wake_plant()
        if self.has_incidents and self.quiet_since is None and self.random.random() < self.alert_probability:
            asyncio.get_running_loop().call_later(self.random.uniform(0.0, PERIOD_SECONDS), self.fire_alert)
        self.start_cycle("")
        self.scrape()
        await asyncio.sleep(SCRAPE_SECONDS)
        self.scrape()
        if (
            self.cycle_number % (4 if self.has_incidents else PEACEFUL_UPKEEP_PERIODS) == 0
            or self.quiet_since is not None
        ):
            self.start_workflow(
                WorkflowName.UPKEEP, f"mapek-upkeep:charter-{self.cycle_number}", UpkeepRequest(loop="charter")
            )
        await asyncio.sleep(PERIOD_SECONDS - SCRAPE_SECONDS)

    async def skip_idle_period(self) -> None:
        """The same while all is well: nothing is simulated, but the cycle looks all the same."""
        world = self.environment
        world.plant.skip_time(PERIOD_SECONDS)
        self.skipped_seconds += PERIOD_SECONDS
        world.prometheus.repeat_scrape(world.now)
        observation = await world.monitor.monitor(MonitorRequest(loop="charter"))
        world.counts[f"cycle {observation.outcome or 'troubled'}"] += 1
        self.cycle_counts.idle_count += 1
        if self.cycle_number % (RESTING_UPKEEP_PERIODS if world.engine.running else IDLE_UPKEEP_PERIODS) == 0:
            self.start_workflow(
                WorkflowName.UPKEEP, f"mapek-upkeep:charter-{self.cycle_number}", UpkeepRequest(loop="charter")
            )
        await asyncio.sleep(SCRAPE_SECONDS)
        world.prometheus.repeat_scrape(world.now)
        await asyncio.sleep(PERIOD_SECONDS - SCRAPE_SECONDS)

    def wake_plant(self) -> None:
        """Bring a plant that stood still back to work."""
        if self.skipped_seconds:
            self.environment.plant.catch_up()
            self.environment.prometheus.shift_windows(self.skipped_seconds)
            self.skipped_seconds = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is wrong, and nothing runs but remediations that only rest; never in the rest at the end."""
        living = self.has_incidents and self.quiet_since is None
        calm = (
            self.calm_scrapes >= QUIET_PERIODS
            and self.random_faults.rates is NO_FAULTS
            and not self.incidents.is_active
        )
        return living and calm and all(map(is_waiting, self.environment.engine.running.values()))

    def scrape(self) -> None:
        """Let Prometheus scrape the plant as it is now."""
        world = self.environment
        world.plant.advance(world.now)
        world.charter.cache.clear()
        world.prometheus.add_scrape(world.now, world.plant.read_exporters())
        last = world.prometheus.scrapes[-1]
        odd = last.prefilter is None and not all(map(self.is_within_limits, last.values.values()))
        well = not odd and not world.plant.restart_queue.is_busy and not world.plant.faults and not world.skew
        well = well and len(last.values) == len(world.plant.components) and world.now - last.at < 1.0
        self.calm_scrapes = self.calm_scrapes + 1 if well and all(last.counter_changes.values()) else 0

    def is_within_limits(self, values: dict[str, float]) -> bool:
        """Tell whether no rule's value is beyond its nearer limit."""
        return all(
            is_below_prefilter(rule, values[rule.metric])
            for rule in self.environment.prometheus.rules
            if rule.metric in values
        )

    def start_cycle(self, trigger: str) -> None:
        """Start a cycle, unless the one before still runs."""
        kind = trigger or "schedule"
        workflow_id = f"mapek-cycle:charter-{self.cycle_number}{trigger}"
        running = [run for run in self.environment.engine.running.values() if run.type == WorkflowName.CYCLE]
        for run in running:
            if self.environment.now - run.started_at >= CYCLE_LIMIT_SECONDS:
                self.environment.engine.terminate(run.workflow_id)
        if kind == "schedule" and any(":charter-" in run.workflow_id for run in running if run.closed_at is None):
            self.cycle_counts.skipped_count += 1
            return
        self.cycle_counts.full_count += 1
        self.observed_at.append(self.environment.now)
        self.start_workflow(WorkflowName.CYCLE, workflow_id, CycleRequest(loop="charter", trigger=kind))

    def start_workflow(self, kind: str, workflow_id: str, request: CycleRequest | UpkeepRequest) -> None:
        """Start a workflow; one that still runs under the id is as good."""
        try:
            self.environment.engine.start_workflow(kind, workflow_id, request)
        except WorkflowIdInUse:
            self.environment.counts["already running"] += 1

    def fire_alert(self) -> None:
        """An alert comes, is answered, and starts a cycle of its own."""
        self.alerts.append({"answered_at": self.environment.now})
        self.start_cycle("alert")
