"""Short lives that a guard has to hold: each tells what was done that should not have been.

`python -m tests.simulation.guard_scenarios NAME` prints what it finds, one line each.
It ends with 1 if it found anything, else with 0.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, pairwise

from deploy.simulator.faults import FaultKind
from deploy.simulator.records import EXTERNAL_ORIGIN
from tests.simulation.driver import FaultProfile, LifeDriver
from tests.simulation.plant import coarse_ticks
from tests.simulation.report import build_evidence
from tests.simulation.virtual_time import run_in_virtual_time
from tests.soak.checker.effects import check_quorum

HOUR_SECONDS = 3600.0
WARM_UP_PERIODS = 6
"""Periods until everything can be judged."""


@dataclass
class ScenarioRun:
    """A peaceful life in which only what the scenario does happens. `done` are (at, plan, knob) of our changes."""

    driver: LifeDriver
    started_at: float = 0.0
    changes: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the scenario began."""
        return self.driver.environment.now - self.started_at

    def inject_fault(self, kind: FaultKind, component: str) -> None:
        """Switch a fault on, unless it is on."""
        plant = self.driver.environment.plant
        if not any((fault.kind, fault.component) == (kind, component) for fault in plant.faults):
            plant.inject_fault(kind, component)

    def set_replicas(self, replicas: int) -> None:
        """Change the committee's size past the loop."""
        self.driver.environment.advance_plant()
        self.driver.environment.plant.scale(replicas, EXTERNAL_ORIGIN)
        self.driver.environment.charter.cache.clear()

    async def run_until(self, seconds: float, on_idle_period: Callable[[], None] = lambda: None) -> None:
        """Live on until so many seconds after the beginning; do `each` once a period while nothing is remedied."""
        while self.elapsed_seconds < seconds:
            if not self.driver.operators.list_remediations():
                on_idle_period()
            await self.driver.run_period()
        evidence = build_evidence(self.driver, 0)
        self.changes = [
            (one.row["at"] - self.started_at, one.plan, one.row["knob"])
            for one in evidence.effects
            if one.direction == "do"
        ]

    def count_attempts(self, before: float = float("inf")) -> int:
        """Return how many plans changed something before then."""
        return len({plan for at, plan, _ in self.changes if at <= before})

    async def check_guard_audit(self, rule: str) -> list[str]:
        """Return what is wrong with the audit of a guard that holds a knob: it tells of it, and once an hour."""
        rows = [
            row for row in await self.driver.environment.store.audit.load_for_loop("charter", 1000) if row.kind == rule
        ]
        wrong = [] if rows else [f"no row of the audit tells of {rule}"]
        return wrong + [
            f"{rule} was told twice within {later.at - row.at:.0f} s"
            for row, later in pairwise(rows)
            if row.knob == later.knob and later.at - row.at < HOUR_SECONDS
        ]

    async def list_blocking_rules(self) -> set[str]:
        """Return the rules that held a decision back."""
        found: set[str] = set()
        for run_of in (*self.driver.environment.engine.closed, *self.driver.environment.engine.running.values()):
            decision = await self.driver.environment.store.plans.load_decision(run_of.workflow_id)
            found |= {block.rule for block in decision.blocks} if decision else set()
        return found


async def play_oscillation(run: ScenarioRun) -> list[str]:
    """A member dies again after every restart: the knob is frozen after three tries."""
    await run.run_until(4200.0, lambda: run.inject_fault(FaultKind.DEAD_NODE, "validator-2"))
    wrong = (
        [f"{run.count_attempts(4200.0)} tries against a fault that returns"] if run.count_attempts(4200.0) > 3 else []
    )
    wrong += await run.check_guard_audit("frozen")
    return wrong + ([] if "frozen" in await run.list_blocking_rules() else ["the knob was never frozen"])


async def play_foreign_writer(run: ScenarioRun) -> list[str]:
    """Somebody takes back every size the loop sets: it tries at most twice, and backs off."""

    def fight() -> None:
        run.inject_fault(FaultKind.FEW_VALIDATORS, "validator-1")
        if len(run.driver.environment.plant.committee.member_names) > 5:
            run.set_replicas(5)

    await run.run_until(3000.0, fight)
    wrong = [f"{run.count_attempts()} tries against another writer"] if run.count_attempts() > 2 else []
    wrong += await run.check_guard_audit("foreign-writer")
    return wrong + (
        [] if "foreign-writer" in await run.list_blocking_rules() else ["the other writer was never noticed"]
    )


async def play_budget(run: ScenarioRun) -> list[str]:
    """Another member dies after each restart: no hour sees more than three remediations of the committee."""
    places = cycle(f"validator-{n}" for n in (2, 3, 4, 5))

    def strike() -> None:
        # One at a time, for several dead members are a storm; another one each time, for the same one is a circle.
        if not run.driver.environment.plant.dead_components():
            run.inject_fault(FaultKind.DEAD_NODE, next(places))

    await run.run_until(5400.0, strike)
    begun = sorted({plan: at for at, plan, knob in reversed(run.changes) if knob == "committee"}.values())
    most = max((sum(start <= at < start + HOUR_SECONDS for at in begun) for start in begun), default=0)
    return [f"{most} remediations of the committee in one hour"] if most > 3 else []


async def play_concurrency(run: ScenarioRun) -> list[str]:
    """Two unrelated faults come at once: the second is remedied when the first one has been judged."""
    run.inject_fault(FaultKind.OVERLOAD, "gateway")
    run.inject_fault(FaultKind.DEAD_NODE, "validator-2")
    await run.run_until(900.0)
    wrong = [
        f"{second[2]} was changed {second[0] - first[0]:.0f} s after {first[2]}"
        for first, second in pairwise(run.changes)
        if first[1] != second[1] and second[0] - first[0] < 45.0
    ]
    return wrong + ([] if run.count_attempts() >= 2 else [f"only {run.count_attempts()} remediations"])


async def play_storm(run: ScenarioRun) -> list[str]:
    """Nearly everything breaks at once: a storm is entered and nothing done in it, and it is left when all is well."""
    for kind, place in (
        (FaultKind.FEW_VALIDATORS, "validator-1"),
        (FaultKind.RETRY_CASCADE, "gateway"),
        (FaultKind.OVERLOAD, "policy-engine"),
    ):
        run.inject_fault(kind, place)
    await run.run_until(600.0)
    run.driver.environment.plant.clear_faults()
    run.driver.environment.charter.cache.clear()
    await run.run_until(1800.0)
    rows = [
        row for row in await run.driver.environment.store.audit.load_for_loop("charter", 1000) if row.kind == "storm"
    ]
    told = [row.summary.partition(":")[0].partition(" ")[0] for row in rows]
    wrong = [] if told == ["entered", "left"] else [f"storm: {told}"]
    spans = [(a.at - run.started_at, b.at - run.started_at) for a, b in zip(rows[::2], rows[1::2], strict=False)]
    return wrong + [
        f"{knob} was changed in a storm" for at, _, knob in run.changes if any(s < at < e for s, e in spans)
    ]


async def play_quorum(run: ScenarioRun) -> list[str]:
    """A second member dies while the restart of a slow one is prepared: it would leave less than quorum + 1."""

    async def die() -> None:
        while not run.driver.operators.list_remediations():  # noqa: ASYNC110 - nobody would set an event
            await asyncio.sleep(1.0)
        run.inject_fault(FaultKind.DEAD_NODE, "validator-3")

    run.inject_fault(FaultKind.SLOW_NODE, "validator-2")
    death = asyncio.create_task(die())
    await run.run_until(600.0)
    wrong = [] if death.done() else ["the slow member was never to be restarted"]
    death.cancel()
    return wrong + [str(violation) for violation in check_quorum(build_evidence(run.driver, 0))]


SCENARIOS: dict[str, Callable[[ScenarioRun], Awaitable[list[str]]]] = {
    "oscillation": play_oscillation,
    "fighting": play_foreign_writer,
    "budget": play_budget,
    "concurrency": play_concurrency,
    "storm": play_storm,
    "quorum": play_quorum,
}


def play_scenario(name: str) -> list[str]:
    """Play a scenario and return what is wrong."""

    async def main() -> list[str]:
        driver = LifeDriver(1, FaultProfile.PEACEFUL)
        driver.scrape()
        for _ in range(WARM_UP_PERIODS):
            await driver.run_period()
        return await SCENARIOS[name](ScenarioRun(driver, driver.environment.now))

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with coarse_ticks():
            return run_in_virtual_time(main())
    finally:
        logging.disable(before)


def main() -> int:
    """Play the scenarios that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.guard_scenarios", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], default=[])
    lines = list(list_failures(parser.parse_args().names or list(SCENARIOS)))
    for line in lines:
        print(line)
    return 1 if lines else 0


def list_failures(names: list[str]) -> Iterator[str]:
    """Yield what is wrong in these scenarios."""
    for name in names:
        for wrong in play_scenario(name):
            yield f"{name}: {wrong}"


if __name__ == "__main__":
    sys.exit(main())
