"""The same life as a hypothesis state machine: small steps, so that a broken invariant shrinks to those that matter."""

import asyncio
import logging
import warnings

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from deploy.simulator.faults import FaultKind
from deploy.simulator.idempotency import Keys
from deploy.simulator.topology import SERVICES
from tests.simulation.charter_api import TROUBLES
from tests.simulation.driver import Driver
from tests.simulation.incidents import CLOCK_STEPS, EYES
from tests.simulation.random_faults import FREEZE, KILL, LOCKED, UNHEARD
from tests.simulation.report import judged
from tests.simulation.speedups import quick
from tests.simulation.virtual_time import VirtualLoop

PLACES = (*SERVICES, "validator-1", "validator-2", "validator-3")


class Planned:
    """Chance as a plan: what happens at the n-th point from now, and to the next changes of Charter."""

    def __init__(self) -> None:
        self.points: dict[int, str] = {}
        self.passed = 0
        self.changes: list[str] = []

    def at(self, edge: str, point: str) -> str:
        """Return what was planned for this point; what cannot happen there waits for the next one."""
        self.passed += 1
        due = min((n for n in self.points if n <= self.passed), default=None)
        if due is None:
            return ""
        kind = self.points[due]
        fits = kind in (KILL, FREEZE) or (edge.startswith("store") and (kind == LOCKED) == (point == "before"))
        return self.points.pop(due) if fits else ""

    def charter(self, path: str) -> str:
        """Return what was planned for the next change."""
        changes = path.endswith(("apply", "rollback", "scale", "restart"))
        return self.changes.pop(0) if changes and self.changes else ""


class LoopMachine(RuleBasedStateMachine):
    """Everything that can happen to a loop; whether it was borne is judged at the end of each example."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        """A healthy loop."""
        self.seed = seed
        self.ticks = quick()
        self.ticks.__enter__()
        self.silence = logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.do(self.make())

    async def make(self) -> None:
        """Make the driver on the loop it runs in, and let it see enough to judge."""
        self.driver = Driver(self.seed)
        self.chance = Planned()
        self.driver.world.chance = self.chance
        self.driver.world.charter.trouble = self.chance.charter
        self.driver.troubles.present = True
        self.driver.scrape()
        for _ in range(3):
            await self.driver.period()

    def do(self, what: object) -> None:
        """Let virtual time pass until this is done."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            self.loop.run_until_complete(what)  # type: ignore[arg-type]

    steps = 0
    """Steps of all examples."""

    @invariant()
    def count(self) -> None:
        """Count the step."""
        LoopMachine.steps += 1

    @rule(periods=st.integers(1, 3))
    def go_on(self, periods: int) -> None:
        """Time passes."""

        async def live() -> None:
            for _ in range(periods):
                await self.driver.period()

        self.do(live())

    @rule(kind=st.sampled_from(list(FaultKind)), place=st.sampled_from(PLACES))
    def break_something(self, kind: FaultKind, place: str) -> None:
        """A fault begins."""
        world = self.driver.world
        if place in world.plant.components:
            world.plant.inject(kind, place)
            self.go_on(2)

    @rule()
    def heal(self) -> None:
        """All faults end."""
        self.driver.world.plant.heal()

    @rule(changes=st.lists(st.sampled_from(TROUBLES), min_size=1, max_size=5))
    def charter_misbehaves(self, changes: list[str]) -> None:
        """The next changes do not go as they should."""
        self.chance.changes = changes

    @rule(points=st.dictionaries(st.integers(1, 120), st.sampled_from((KILL, FREEZE, LOCKED, UNHEARD)), max_size=4))
    def points_fail(self, points: dict[int, str]) -> None:
        """Workers die or freeze, and the store fails, at the n-th points from now."""
        self.chance.points = {self.chance.passed + after: kind for after, kind in points.items()}

    @rule()
    def charter_forgets(self) -> None:
        """Charter restarts without its keys."""
        self.driver.world.charter.keys = Keys()

    @rule(what=st.sampled_from(("cancel", "meddle", "terminate", "reset")))
    def meddle(self, what: str) -> None:
        """Somebody does something to a remediation."""

        async def act() -> None:
            for run in self.driver.people.remediations()[:1]:
                if what == "cancel":
                    self.driver.world.engine.cancel(run.workflow_id)
                else:
                    getattr(self.driver.people, what)(run)

        self.do(act())

    @rule()
    def write(self) -> None:
        """Somebody changes Charter past the loop."""

        async def act() -> None:
            self.driver.people.write()

        self.do(act())

    @rule(trouble=st.sampled_from((*EYES, "")), skew=st.sampled_from((0.0, 0.0, *CLOCK_STEPS)))
    def lose_sight(self, trouble: str, skew: float) -> None:
        """Prometheus fails or comes back, the worker's clock is wrong or right again."""

        async def act() -> None:
            self.driver.troubles.look_away(trouble)
            self.driver.troubles.turn_clock(skew)

        self.do(act())

    def teardown(self) -> None:
        """Rest, and judge."""
        if not hasattr(self, "driver"):
            return
        try:
            self.chance.points, self.chance.changes = {}, []
            self.do(self.calm_down())
            violations, figures = judged(self.driver, self.seed)
            assert not violations, "\n".join(map(str, violations))
            assert not figures["crashes"]
        finally:
            self.end()

    async def calm_down(self) -> None:
        """End all trouble and let the rest begin."""
        self.driver.troubles.end()
        await self.driver.rest()

    def end(self) -> None:
        """Leave nothing behind."""
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.do(asyncio.sleep(1.0))
        self.loop.close()
        asyncio.set_event_loop(None)
        logging.disable(self.silence)
        self.ticks.__exit__(None, None, None)
