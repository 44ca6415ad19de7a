"""One loop with everything around it, in virtual time: plant, Prometheus, Charter, store, Temporal, worker."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from activities.analyze.activity import AnalyzeActivities
from activities.analyze.settings import AlgorithmSettings, AnalyzeSettings, FrequencyPatternSettings
from activities.clients.charter import CharterClient
from activities.clients.remediation_locks import LockHolder
from activities.dependencies import Dependencies, LoopDependencies
from activities.execute.activity import ExecuteActivities
from activities.execute.prepare.activity import PrepareActivities
from activities.execute.settings import ExecuteSettings, VerifySettings
from activities.execute.verify.activity import VerifyActivities
from activities.knowledge.activity import KnowledgeActivities
from activities.knowledge.settings import AutonomySettings, KnowledgeSettings, LevelOverrideSettings
from activities.model.autonomy import Level
from activities.model.errors import StoreUnavailable
from activities.model.identifiers import SearchAttribute, WorkflowName
from activities.model.phase import Phase
from activities.monitor.activity import MonitorActivities
from activities.monitor.rules import build_rules
from activities.monitor.settings import MetricEntry, MonitorSettings
from activities.plan.activity import PlanActivities
from activities.plan.guards.settings import OscillationSettings, RateSettings, StormSettings
from activities.plan.settings import ApprovalSettings, CoolDownSettings, PlanSettings
from activities.settings import LoopSettings
from activities.upkeep.activity import UpkeepActivities
from tests.simulation.activity_attempts import CURRENT_ATTEMPT, WorkerKilled
from tests.simulation.charter_api import VirtualCharter
from tests.simulation.engine import Engine
from tests.simulation.memory_store import open_memory_store
from tests.simulation.plant import TICK_SECONDS, SkippablePlant
from tests.simulation.random_faults import FREEZE, KILL, REPLY_LOST, STORE_LOCKED, FaultSource
from tests.simulation.virtual_prometheus import VirtualPrometheus
from tests.simulation.virtual_time import START_TIME
from workflows.cycle import MapekCycle
from workflows.remediation import MapekRemediation, Remediation
from workflows.upkeep import MapekUpkeep

UNUSED_METRICS = (
    "forbidden_metric_attempts_total",
    "data_revocation_events_total",
    "data_revocation_latency_ms",
    "investigation_initiated_total",
    "emergency_override_total",
    "emergency_override_active_count",
    "violations_under_investigation",
)
"""Rules that no fault of the plant violates. They are disabled: most time of a simulated cycle is their evaluation."""

LOOP_SETTINGS = LoopSettings(
    simulator=True,
    monitor=MonitorSettings(metrics=tuple(MetricEntry(name=name, enabled=False) for name in UNUSED_METRICS)),
    analyze=AnalyzeSettings(
        algorithms=AlgorithmSettings(frequency=FrequencyPatternSettings(window=60.0, anomaly_threshold=5))
    ),
    plan=PlanSettings(
        cool_down=CoolDownSettings(after_success=90.0, rolled_back=240.0),
        approval=ApprovalSettings(deadline_seconds=400.0),
    ),
    knowledge=KnowledgeSettings(autonomy=AutonomySettings(overrides=(LevelOverrideSettings(level=Level.AUTO),))),
    execute=ExecuteSettings(timeout_seconds=10.0, verify=VerifySettings(delay=45.0, samples=3, passes=2)),
)
"""The product's defaults with shorter windows and waits: more incidents in an hour, and faster ones."""

UNGUARDED_SETTINGS = LOOP_SETTINGS.model_copy(
    update={
        "plan": LOOP_SETTINGS.plan.model_copy(
            update={
                "rates": RateSettings(
                    knob_per_hour=999,
                    knob_per_day=9999,
                    loop_per_hour=9999,
                    max_concurrent_fraction=1.0,
                    reversal_delay=0.0,
                ),
                "oscillation": OscillationSettings(reversals=999, failures=999, relapses=999, external_change_hold=0.0),
                "storm": StormSettings(unexplained_fraction=1.0, affected_fraction=1.0),
            }
        )
    }
)
"""The settings without rate, oscillation and storm limits: for lives with as many effects as possible."""

WORKFLOWS: Mapping[str, type] = MappingProxyType(
    {
        WorkflowName.CYCLE: MapekCycle,
        WorkflowName.REMEDIATION: MapekRemediation,
        WorkflowName.FORMER_REMEDIATION: Remediation,
        WorkflowName.UPKEEP: MapekUpkeep,
    }
)
"""The workflows of the worker that the simulation starts, by their Temporal names."""

RESTART_SECONDS = 6.0
"""Seconds until a killed worker is replaced."""
FREEZE_SECONDS = 60.0
"""Seconds of a freeze: longer than the heartbeat timeout."""
TASK_SECONDS = 0.02
"""Seconds until a workflow task runs."""


class SimulatedEnvironment:
    """A loop with its remotes. `skew` is the error of the worker's clock, seconds.

    `kill_switch_reason` is the reason why the kill switch is active, empty while it is not.
    """

    def __init__(self, seed: int, fault_source: FaultSource, settings: LoopSettings = LOOP_SETTINGS) -> None:
        self.fault_source, self.settings = fault_source, settings
        self.loop = asyncio.get_running_loop()
        self.skew, self.worker_up_at, self.kill_switch_reason = 0.0, 0.0, ""
        self.counts: Counter[str] = Counter()
        self.plant = SkippablePlant(START_TIME, seed)
        self.prometheus = VirtualPrometheus(
            build_rules(settings.monitor), settings.monitor, settings.max_components, self.loop.time
        )
        self.charter = VirtualCharter(self.plant, self.pass_point, fault_source.fault_of_request, self.advance_plant)
        self.store = open_memory_store(self.pass_point)
        client = CharterClient(self.charter, "http://charter", lambda: "token")
        remotes = LoopDependencies(settings, cast(Any, self.prometheus), client)
        self.loops = {settings.name: remotes}
        clock = lambda: self.now + self.skew  # noqa: E731 - the skew changes
        self.dependencies = Dependencies(
            self.loops, self.store, clock, "worker", kill_switch=lambda: self.kill_switch_reason
        )
        self.monitor = MonitorActivities(self.dependencies)
        self.engine = Engine(
            WORKFLOWS,
            self.activities_by_name(),
            self.task_delay,
        )

    @property
    def now(self) -> float:
        """The true time, unix seconds."""
        return self.loop.time()

    def activities_by_name(self) -> dict[str, Any]:
        """Return every activity of the product by name."""
        execute, knowledge = ExecuteActivities(self.dependencies), KnowledgeActivities(self.dependencies)
        methods = (
            self.monitor.monitor,
            AnalyzeActivities(self.dependencies).analyze,
            PlanActivities(self.dependencies).plan,
            PrepareActivities(self.dependencies).prepare,
            execute.apply,
            execute.undo,
            VerifyActivities(self.dependencies).verify,
            knowledge.record,
            knowledge.release,
            UpkeepActivities(self.dependencies, cast(Any, self)).upkeep,
        )
        return {method.__name__: method for method in methods}

    async def is_held(self, workflow_id: str) -> bool:
        """Return whether a run holds the workflow id, as the product's locks do."""
        return workflow_id in self.engine.running

    async def find_holder(self, workflow_id: str) -> LockHolder | None:
        """Return the run that holds the workflow id, as the product's locks do."""
        run = self.engine.running.get(workflow_id)
        if run is None:
            return None
        phase = run.attributes.get(SearchAttribute.PHASE)
        awaited_plan = run.to_row()["input"]["plan_id"] if phase == Phase.AWAITING_APPROVAL else ""
        return LockHolder(run.run_id, phase == Phase.COOLING_DOWN, awaited_plan)

    def task_delay(self) -> float:
        """Return the seconds until a workflow task runs."""
        return max(TASK_SECONDS, self.worker_up_at - self.now)

    def advance_plant(self) -> None:
        """Advance the plant to now."""
        if self.now >= self.plant.now + TICK_SECONDS:
            self.plant.advance(self.now)
            self.charter.cache.clear()

    async def pass_point(self, edge: str, point: str) -> None:
        """Apply the fault drawn for this point to the running attempt.

        Raises:
            WorkerKilled: the worker was killed.
            StoreUnavailable: the store is locked, or its reply is lost.
        """
        attempt = CURRENT_ATTEMPT.get()
        if attempt is None:
            return
        if attempt.is_dead:
            raise WorkerKilled
        fault = self.fault_source.fault_at_point(edge, point)
        if fault == KILL:
            self.kill_worker()
            raise WorkerKilled
        if fault == FREEZE:
            attempt.schedule_timeout(min(attempt.activity.heartbeat_seconds or FREEZE_SECONDS, FREEZE_SECONDS))
            await asyncio.sleep(FREEZE_SECONDS)
            if attempt.is_dead:
                raise WorkerKilled
        if fault in (STORE_LOCKED, REPLY_LOST):
            raise StoreUnavailable("database is locked" if fault == STORE_LOCKED else "the reply to the commit is lost")

    def kill_worker(self) -> None:
        """Kill the only worker; another one starts after `RESTART_SECONDS`."""
        self.counts["workers killed"] += 1
        self.counts["attempts killed"] += self.engine.kill_worker()
        self.worker_up_at = self.now + RESTART_SECONDS
