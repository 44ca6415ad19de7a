"""A long life of one loop from a seed: idle periods, incidents, random faults, operators, and a rest at the end.

While the plant is healthy its time is skipped and the last scrape is repeated. Every cycle still monitors.
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
"""Calm scrapes before the plant's time may be skipped: the longest window, and one more."""
REST_SECONDS = 300.0
"""Seconds without faults at the end: two periods, and the time of the last remediations."""
CYCLE_LIMIT_SECONDS = 60.0
IDLE_UPKEEP_PERIODS = 40
"""Upkeep runs once in so many periods while the plant is healthy."""
RESTING_UPKEEP_PERIODS, PEACEFUL_UPKEEP_PERIODS = 4, 10
"""The same while a remediation cools down, and in a peaceful life."""

ALERT_PROBABILITY, ALERT_PROBABILITY_HARSH = 0.03, 0.2
"""Fraction of the periods with an alert: in a normal life and in a harsh one."""
INCIDENT_GAP_SECONDS, INCIDENT_GAP_SECONDS_HARSH = 2800.0, 60.0
"""Mean seconds between incidents: in a normal life and in a harsh one."""


class FaultProfile(StrEnum):
    """Which faults a life has. PEACEFUL: none, and no time is skipped."""

    NORMAL = "usual"
    HARSH = "harsh"
    PEACEFUL = "peaceful"


@dataclass
class CycleCounts:
    """Cycles in idle periods, full cycles and skipped ones."""

    idle_count: int = 0
    full_count: int = 0
    skipped_count: int = 0


def is_waiting(run: WorkflowRun) -> bool:
    """Return whether a run only waits: for the end of its cool-down, or for its release by an operator."""
    return run.attributes.get(SearchAttribute.PHASE) in (Phase.COOLING_DOWN, Phase.QUARANTINED)


class LifeDriver:
    """Drives one simulated environment with the faults of a profile."""

    def __init__(self, seed: int, profile: FaultProfile = FaultProfile.NORMAL) -> None:
        self.random = Random(seed)
        # Half of the normal lives have no rate guards: budgets would permit too few effects.
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
        """Run so many cycles, then wait until the loop is at rest."""
        tasks = [asyncio.create_task(self.incidents.generate_incidents())] if self.has_incidents else []
        self.scrape()
        while self.cycle_number < cycles:
            await self.run_period()
        for task in tasks:
            task.cancel()
        self.incidents.clear_all_faults()
        await self.wait_until_at_rest()

    async def wait_until_at_rest(self) -> None:
        """Run periods without faults for `REST_SECONDS`, so that running remediations end."""
        self.random_faults.rates = NO_FAULTS
        self.environment.skew = 0.0
        self.quiet_since = self.environment.now
        until = self.environment.now + REST_SECONDS
        while self.environment.now < until:
            await self.operators.clean_up()
            await self.run_period()

    async def run_period(self) -> None:
        """Run one period: two scrapes and a cycle, and upkeep half a period later."""
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
        """Run one idle period: the plant is not simulated, the cycle monitors as usual."""
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
        """Resume a plant whose time was skipped."""
        if self.skipped_seconds:
            self.environment.plant.catch_up()
            self.environment.prometheus.shift_windows(self.skipped_seconds)
            self.skipped_seconds = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether the plant is healthy and only waiting remediations run; false in the rest at the end."""
        may_skip = self.has_incidents and self.quiet_since is None
        calm = (
            self.calm_scrapes >= QUIET_PERIODS
            and self.random_faults.rates is NO_FAULTS
            and not self.incidents.is_active
        )
        return may_skip and calm and all(map(is_waiting, self.environment.engine.running.values()))

    def scrape(self) -> None:
        """Let Prometheus scrape the plant now."""
        world = self.environment
        world.plant.advance(world.now)
        world.charter.cache.clear()
        world.prometheus.add_scrape(world.now, world.plant.read_exporters())
        last = world.prometheus.scrapes[-1]
        has_breach = last.prefilter is None and not all(map(self.is_within_limits, last.values.values()))
        is_calm = not has_breach and not world.plant.restart_queue.is_busy and not world.plant.faults and not world.skew
        is_calm = is_calm and len(last.values) == len(world.plant.components) and world.now - last.at < 1.0
        self.calm_scrapes = self.calm_scrapes + 1 if is_calm and all(last.counter_changes.values()) else 0

    def is_within_limits(self, values: dict[str, float]) -> bool:
        """Return whether no value breaches its clear threshold."""
        return all(
            is_below_prefilter(rule, values[rule.metric])
            for rule in self.environment.prometheus.rules
            if rule.metric in values
        )

    def start_cycle(self, trigger: str) -> None:
        """Start a cycle, unless the previous one still runs."""
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
        """Start a workflow, unless one runs under the id."""
        try:
            self.environment.engine.start_workflow(kind, workflow_id, request)
        except WorkflowIdInUse:
            self.environment.counts["already running"] += 1

    def fire_alert(self) -> None:
        """Post an alert, which starts its own cycle."""
        self.alerts.append({"answered_at": self.environment.now})
        self.start_cycle("alert")
