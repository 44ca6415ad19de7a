"""One loop with everything around it, in virtual time: plant, Prometheus, Charter, store, Temporal, worker."""

import asyncio
from collections import Counter
from typing import Any, cast

from activities.analyze.activity import AnalyzeActivities
from activities.analyze.settings import Algorithms, AnalyzeSettings, FrequencySettings
from activities.clients.charter import CharterClient
from activities.clients.locks import Holder
from activities.dependencies import LoopParts, Parts
from activities.execute.activity import ExecuteActivities
from activities.execute.prepare.activity import PrepareActivities
from activities.execute.settings import ExecuteSettings, VerifySettings
from activities.execute.verify.activity import VerifyActivities
from activities.knowledge.activity import KnowledgeActivities
from activities.knowledge.settings import AutonomySettings, KnowledgeSettings, PinSettings
from activities.model.autonomy import Level
from activities.model.errors import StoreUnavailable
from activities.monitor.activity import MonitorActivities
from activities.monitor.rules import rules_of
from activities.monitor.settings import MetricEntry, MonitorSettings
from activities.plan.activity import PlanActivities
from activities.plan.guards.settings import OscillationSettings, RateSettings, StormSettings
from activities.plan.settings import ApprovalSettings, CoolDownSettings, PlanSettings
from activities.settings import LoopSettings
from activities.upkeep.activity import UpkeepActivities
from tests.simulation.activity_attempts import CURRENT, Killed
from tests.simulation.charter_api import VirtualCharter
from tests.simulation.engine import Engine
from tests.simulation.memory_store import store_of
from tests.simulation.plant import TICK, QuietPlant
from tests.simulation.random_faults import FREEZE, KILL, LOCKED, UNHEARD, Chance
from tests.simulation.virtual_prometheus import VirtualPrometheus
from tests.simulation.virtual_time import START
from workflows.cycle import MapekCycle
from workflows.remediation import Remediation
from workflows.upkeep import MapekUpkeep

UNUSED = (
    "forbidden_metric_attempts_total",
    "data_revocation_events_total",
    "data_revocation_latency_ms",
    "investigation_initiated_total",
    "emergency_override_total",
    "emergency_override_active_count",
    "violations_under_investigation",
)
"""Rules that no fault of the plant is told by: left out, because judging is most of what a simulated cycle costs."""

SETTINGS = LoopSettings(
    simulator=True,
    monitor=MonitorSettings(metrics=tuple(MetricEntry(name=name, enabled=False) for name in UNUSED)),
    analyze=AnalyzeSettings(algorithms=Algorithms(frequency=FrequencySettings(window=60.0, anomaly_threshold=5))),
    plan=PlanSettings(
        cooldown=CoolDownSettings(kept=90.0, rolled_back=240.0), approval=ApprovalSettings(deadline_seconds=400.0)
    ),
    knowledge=KnowledgeSettings(autonomy=AutonomySettings(pinned=(PinSettings(level=Level.AUTO),))),
    execute=ExecuteSettings(timeout_seconds=10.0, verify=VerifySettings(delay=45.0, samples=3, passes=2)),
)
"""The product's defaults with shorter windows, waits and looks back: more incidents an hour, and cheaper ones."""

UNGUARDED = SETTINGS.model_copy(
    update={
        "plan": SETTINGS.plan.model_copy(
            update={
                "rates": RateSettings(
                    knob_per_hour=999, knob_per_day=9999, loop_per_hour=9999, share_at_once=1.0, reverse_seconds=0.0
                ),
                "oscillation": OscillationSettings(reversals=999, failures=999, relapses=999, foreign_seconds=0.0),
                "storm": StormSettings(unexplained=1.0, ill=1.0),
            }
        )
    }
)
"""Without what keeps a loop from acting often: for hunts, in which as much as possible has to be done."""

RESTART = 6.0
"""Seconds until a worker that died is replaced."""
FROZEN = 60.0
"""Seconds a frozen attempt stands still: longer than its heartbeat time-out."""
TASK = 0.02
"""Seconds of a workflow task."""


class World:
    """A loop and its surroundings. `skew` is by how many seconds the worker's clock is wrong, `switch` why nothing new
    may be done at Charter (empty: it may).
    """

    def __init__(self, seed: int, chance: Chance, settings: LoopSettings = SETTINGS) -> None:
        self.chance, self.settings = chance, settings
        self.loop = asyncio.get_running_loop()
        self.skew, self.worker_up_at, self.switch = 0.0, 0.0, ""
        self.counts: Counter[str] = Counter()
        self.plant = QuietPlant(START, seed)
        self.prometheus = VirtualPrometheus(
            rules_of(settings.monitor), settings.monitor, settings.most_components, self.loop.time
        )
        self.charter = VirtualCharter(self.plant, self.pass_point, chance.charter, self.refresh)
        self.store = store_of(self.pass_point)
        client = CharterClient(self.charter, "http://charter", lambda: "token")
        remotes = LoopParts(settings, cast(Any, self.prometheus), client)
        self.loops = {settings.name: remotes}
        clock = lambda: self.now + self.skew  # noqa: E731 - read anew at each call
        self.parts = Parts(self.loops, self.store, clock, "worker", switch=lambda: self.switch)
        self.monitor = MonitorActivities(self.parts)
        self.engine = Engine(
            {kind.__name__: kind for kind in (MapekCycle, Remediation, MapekUpkeep)}, self.activities(), self.lag
        )

    @property
    def now(self) -> float:
        """The true time, unix seconds."""
        return self.loop.time()

    def activities(self) -> dict[str, Any]:
        """Return every activity of the product by its name."""
        execute, knowledge = ExecuteActivities(self.parts), KnowledgeActivities(self.parts)
        methods = (
            self.monitor.monitor,
            AnalyzeActivities(self.parts).analyze,
            PlanActivities(self.parts).plan,
            PrepareActivities(self.parts).prepare,
            execute.apply,
            execute.undo,
            VerifyActivities(self.parts).verify,
            knowledge.record,
            knowledge.release,
            UpkeepActivities(self.parts, cast(Any, self)).upkeep,
        )
        return {method.__name__: method for method in methods}

    async def held(self, workflow_id: str) -> bool:
        """Tell whether a workflow runs under the id: the duck type of the product's locks."""
        return workflow_id in self.engine.running

    async def holder(self, workflow_id: str) -> Holder | None:
        """Return the run that holds a lock."""
        run = self.engine.running.get(workflow_id)
        if run is None:
            return None
        phase = run.attributes.get("MapekPhase")
        waiting = run.plain()["input"]["plan_id"] if phase == "awaiting-approval" else ""
        return Holder(run.run_id, phase == "cooling-down", waiting)

    def lag(self) -> float:
        """Return the seconds until a workflow task is carried out."""
        return max(TASK, self.worker_up_at - self.now)

    def refresh(self) -> None:
        """Bring the plant up to now."""
        if self.now >= self.plant.now + TICK:
            self.plant.advance(self.now)
            self.charter.cache.clear()

    async def pass_point(self, edge: str, point: str) -> None:
        """Let an attempt pass a point, or let happen to it what chance wants. Raises: Killed, StoreUnavailable."""
        attempt = CURRENT.get()
        if attempt is None:
            return
        if attempt.dead:
            raise Killed
        what = self.chance.at(edge, point)
        if what == KILL:
            self.kill()
            raise Killed
        if what == FREEZE:
            attempt.lose_later(min(attempt.activity.heartbeat or FROZEN, FROZEN))
            await asyncio.sleep(FROZEN)
            if attempt.dead:
                raise Killed
        if what in (LOCKED, UNHEARD):
            raise StoreUnavailable("database is locked" if what == LOCKED else "the answer to the commit is lost")

    def kill(self) -> None:
        """Let the only worker die; another one comes after a while."""
        self.counts["workers killed"] += 1
        self.counts["attempts killed"] += self.engine.kill_worker()
        self.worker_up_at = self.now + RESTART
