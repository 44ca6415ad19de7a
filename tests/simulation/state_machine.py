"""A life as a hypothesis state machine: a violation shrinks to the steps that cause it."""

import asyncio
import logging
import warnings

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from deploy.simulator.faults import FaultKind
from deploy.simulator.idempotency import IdempotencyStore
from deploy.simulator.topology import SERVICES
from tests.simulation.charter_api import CHARTER_FAULTS
from tests.simulation.driver import LifeDriver
from tests.simulation.incidents import CLOCK_STEPS_SECONDS, PROMETHEUS_FAULTS
from tests.simulation.random_faults import FREEZE, KILL, REPLY_LOST, STORE_LOCKED
from tests.simulation.report import check_life
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import VirtualTimeLoop

COMPONENTS = (*SERVICES, "validator-1", "validator-2", "validator-3")


class PlannedFaults:
    """Planned faults: at the n-th point from now, and of the next changes at Charter."""

    def __init__(self) -> None:
        self.points: dict[int, str] = {}
        self.point_count = 0
        self.changes: list[str] = []

    def fault_at_point(self, edge: str, point: str) -> str:
        """Return the fault planned for this point. A fault that is impossible here waits for the next point."""
        self.point_count += 1
        due = min((n for n in self.points if n <= self.point_count), default=None)
        if due is None:
            return ""
        kind = self.points[due]
        fits = kind in (KILL, FREEZE) or (edge.startswith("store") and (kind == STORE_LOCKED) == (point == "before"))
        return self.points.pop(due) if fits else ""

    def fault_of_request(self, path: str) -> str:
        """Return the fault planned for the next change."""
        changes = path.endswith(("apply", "rollback", "scale", "restart"))
        return self.changes.pop(0) if changes and self.changes else ""


class LoopMachine(RuleBasedStateMachine):
    """The events around a loop as rules. The checker runs at the end of each example."""

    @initialize(seed=st.integers(0, 2**16))
    def start(self, seed: int) -> None:
        """Start with a healthy loop."""
        self.seed = seed
        self.speedups = fast_simulation()
        self.speedups.__enter__()
        self.former_log_level = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        self.loop = VirtualTimeLoop()
        asyncio.set_event_loop(self.loop)
        self.run_until_done(self.make_driver())

    async def make_driver(self) -> None:
        """Build the driver in its event loop, and run periods until cycles are not blind."""
        self.driver = LifeDriver(self.seed)
        self.planned_faults = PlannedFaults()
        self.driver.environment.fault_source = self.planned_faults
        self.driver.environment.charter.draw_fault = self.planned_faults.fault_of_request
        self.driver.incidents.is_active = True
        self.driver.scrape()
        for _ in range(3):
            await self.driver.run_period()

    def run_until_done(self, work: object) -> None:
        """Run `work` to its end in virtual time."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            self.loop.run_until_complete(work)  # type: ignore[arg-type]

    step_count = 0
    """Number of steps in all examples."""

    @invariant()
    def count_step(self) -> None:
        """Count the step."""
        LoopMachine.step_count += 1

    @rule(periods=st.integers(1, 3))
    def advance(self, periods: int) -> None:
        """Let time pass."""

        async def run_periods() -> None:
            for _ in range(periods):
                await self.driver.run_period()

        self.run_until_done(run_periods())

    @rule(kind=st.sampled_from(list(FaultKind)), component=st.sampled_from(COMPONENTS))
    def inject_fault(self, kind: FaultKind, component: str) -> None:
        """Inject a fault."""
        environment = self.driver.environment
        if component in environment.plant.components:
            environment.plant.inject_fault(kind, component)
            self.advance(2)

    @rule()
    def clear_faults(self) -> None:
        """Clear all faults of the plant."""
        self.driver.environment.plant.clear_faults()

    @rule(changes=st.lists(st.sampled_from(CHARTER_FAULTS), min_size=1, max_size=5))
    def plan_charter_faults(self, changes: list[str]) -> None:
        """Plan faults for the next changes."""
        self.planned_faults.changes = changes

    @rule(
        points=st.dictionaries(
            st.integers(1, 120), st.sampled_from((KILL, FREEZE, STORE_LOCKED, REPLY_LOST)), max_size=4
        )
    )
    def plan_point_faults(self, points: dict[int, str]) -> None:
        """Plan that workers are killed or freeze, or the store fails, at the n-th points from now."""
        self.planned_faults.points = {self.planned_faults.point_count + after: kind for after, kind in points.items()}

    @rule()
    def drop_charter_keys(self) -> None:
        """Let Charter lose its idempotency keys."""
        self.driver.environment.charter.keys = IdempotencyStore()

    @rule(action=st.sampled_from(("cancel", "act_on_run", "terminate_run", "reset_run")))
    def intervene(self, action: str) -> None:
        """Let an operator act on a remediation."""

        async def act() -> None:
            for run in self.driver.operators.list_remediations()[:1]:
                if action == "cancel":
                    self.driver.environment.engine.cancel(run.workflow_id)
                else:
                    getattr(self.driver.operators, action)(run)

        self.run_until_done(act())

    @rule()
    def change_charter(self) -> None:
        """Let an operator change Charter past the loop."""

        async def act() -> None:
            self.driver.operators.change_knob()

        self.run_until_done(act())

    @rule(fault=st.sampled_from((*PROMETHEUS_FAULTS, "")), skew=st.sampled_from((0.0, 0.0, *CLOCK_STEPS_SECONDS)))
    def set_prometheus_fault(self, fault: str, skew: float) -> None:
        """Set or clear a fault of Prometheus and the error of the worker's clock."""

        async def act() -> None:
            self.driver.incidents.set_prometheus_fault(fault)
            self.driver.incidents.set_clock_skew(skew)

        self.run_until_done(act())

    def teardown(self) -> None:
        """Wait until the loop is at rest, and check the invariants."""
        if not hasattr(self, "driver"):
            return
        try:
            self.planned_faults.points, self.planned_faults.changes = {}, []
            self.run_until_done(self.clear_all_faults())
            violations, figures = check_life(self.driver, self.seed)
            assert not violations, "\n".join(map(str, violations))
            assert not figures["crashes"]
        finally:
            self.close()

    async def clear_all_faults(self) -> None:
        """Clear all faults, and wait until the loop is at rest."""
        self.driver.incidents.clear_all_faults()
        await self.driver.wait_until_at_rest()

    def close(self) -> None:
        """Cancel the tasks and close the event loop."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.run_until_done(asyncio.sleep(1.0))
        self.loop.close()
        asyncio.set_event_loop(None)
        logging.disable(self.former_log_level)
        self.speedups.__exit__(None, None, None)
