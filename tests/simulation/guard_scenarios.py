"""Plays short lives in which a guard must block, and prints each failure in one line.

Ends with 1 if a scenario failed, else with 0.
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
"""Periods until no component is a blind spot."""


@dataclass
class ScenarioRun:
    """A peaceful life with the acts of one scenario. `changes` are (seconds, plan, knob) of the loop's changes."""

    driver: LifeDriver
    started_at: float = 0.0
    changes: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the start of the scenario."""
        return self.driver.environment.now - self.started_at

    def inject_fault(self, kind: FaultKind, component: str) -> None:
        """Inject a fault, unless it is active."""
        plant = self.driver.environment.plant
        if not any((fault.kind, fault.component) == (kind, component) for fault in plant.faults):
            plant.inject_fault(kind, component)

    def set_replicas(self, replicas: int) -> None:
        """Scale the committee past the loop."""
        self.driver.environment.advance_plant()
        self.driver.environment.plant.scale(replicas, EXTERNAL_ORIGIN)
        self.driver.environment.charter.cache.clear()

    async def run_until(self, seconds: float, on_idle_period: Callable[[], None] = lambda: None) -> None:
        """Run periods until `seconds` after the start. Call `on_idle_period` in each period without a remediation."""
        while self.elapsed_seconds < seconds:
            if not self.driver.operators.list_remediations():
                on_idle_period()
            await self.driver.run_period()
        evidence = build_evidence(self.driver, 0)
        self.changes = [
            (effect.row["at"] - self.started_at, effect.plan, effect.row["knob"])
            for effect in evidence.effects
            if effect.direction == "do"
        ]

    def count_attempts(self, before: float = float("inf")) -> int:
        """Return the number of plans that changed Charter, up to `before` seconds."""
        return len({plan for at, plan, _ in self.changes if at <= before})

    async def check_guard_audit(self, rule: str) -> list[str]:
        """Return the failures of a guard's audit rows: there must be one, and at most one in an hour."""
        rows = [
            row for row in await self.driver.environment.store.audit.load_for_loop("charter", 1000) if row.kind == rule
        ]
        failures = [] if rows else [f"no audit row of {rule}"]
        return failures + [
            f"{rule} has two audit rows within {later.at - row.at:.0f} s"
            for row, later in pairwise(rows)
            if row.knob == later.knob and later.at - row.at < HOUR_SECONDS
        ]

    async def list_blocking_rules(self) -> set[str]:
        """Return the rules that blocked in the decisions of all runs."""
        rules: set[str] = set()
        for run in (*self.driver.environment.engine.closed, *self.driver.environment.engine.running.values()):
            decision = await self.driver.environment.store.plans.load_decision(run.workflow_id)
            rules |= {block.rule for block in decision.blocks} if decision else set()
        return rules


async def play_oscillation(run: ScenarioRun) -> list[str]:
    """A member dies again after every restart: the knob is frozen after three attempts."""
    await run.run_until(4200.0, lambda: run.inject_fault(FaultKind.DEAD_NODE, "validator-2"))
    failures = (
        [f"{run.count_attempts(4200.0)} attempts against a recurring fault"] if run.count_attempts(4200.0) > 3 else []
    )
    failures += await run.check_guard_audit("frozen")
    return failures + ([] if "frozen" in await run.list_blocking_rules() else ["the frozen guard never blocked"])


async def play_foreign_writer(run: ScenarioRun) -> list[str]:
    """Another writer reverts every size that the loop sets: the loop tries at most twice."""

    def revert_size() -> None:
        run.inject_fault(FaultKind.FEW_VALIDATORS, "validator-1")
        if len(run.driver.environment.plant.committee.member_names) > 5:
            run.set_replicas(5)

    await run.run_until(3000.0, revert_size)
    failures = [f"{run.count_attempts()} attempts against another writer"] if run.count_attempts() > 2 else []
    failures += await run.check_guard_audit("foreign-writer")
    return failures + (
        [] if "foreign-writer" in await run.list_blocking_rules() else ["the foreign-writer guard never blocked"]
    )


async def play_budget(run: ScenarioRun) -> list[str]:
    """Another member dies after each restart: there are at most three remediations of the committee in an hour."""
    members = cycle(f"validator-{n}" for n in (2, 3, 4, 5))

    def kill_next_member() -> None:
        # One at a time: several dead members are a storm. Another one each time: the same one is an oscillation.
        if not run.driver.environment.plant.dead_components():
            run.inject_fault(FaultKind.DEAD_NODE, next(members))

    await run.run_until(5400.0, kill_next_member)
    start_times = sorted({plan: at for at, plan, knob in reversed(run.changes) if knob == "committee"}.values())
    max_count = max((sum(start <= at < start + HOUR_SECONDS for at in start_times) for start in start_times), default=0)
    return [f"{max_count} remediations of the committee in one hour"] if max_count > 3 else []


async def play_concurrency(run: ScenarioRun) -> list[str]:
    """Two unrelated faults start together: the second remediation waits for the verdict of the first."""
    run.inject_fault(FaultKind.OVERLOAD, "gateway")
    run.inject_fault(FaultKind.DEAD_NODE, "validator-2")
    await run.run_until(900.0)
    failures = [
        f"{second[2]} was changed {second[0] - first[0]:.0f} s after {first[2]}"
        for first, second in pairwise(run.changes)
        if first[1] != second[1] and second[0] - first[0] < 45.0
    ]
    return failures + ([] if run.count_attempts() >= 2 else [f"only {run.count_attempts()} remediations"])


async def play_storm(run: ScenarioRun) -> list[str]:
    """Most components fail together: the loop enters a storm, changes nothing in it, and leaves it after recovery."""
    for kind, component in (
        (FaultKind.FEW_VALIDATORS, "validator-1"),
        (FaultKind.RETRY_CASCADE, "gateway"),
        (FaultKind.OVERLOAD, "policy-engine"),
    ):
        run.inject_fault(kind, component)
    await run.run_until(600.0)
    run.driver.environment.plant.clear_faults()
    run.driver.environment.charter.cache.clear()
    await run.run_until(1800.0)
    rows = [
        row for row in await run.driver.environment.store.audit.load_for_loop("charter", 1000) if row.kind == "storm"
    ]
    transitions = [row.summary.partition(":")[0].partition(" ")[0] for row in rows]
    failures = [] if transitions == ["entered", "left"] else [f"storm: {transitions}"]
    storms = [(a.at - run.started_at, b.at - run.started_at) for a, b in zip(rows[::2], rows[1::2], strict=False)]
    return failures + [
        f"{knob} was changed in a storm" for at, _, knob in run.changes if any(s < at < e for s, e in storms)
    ]


async def play_quorum(run: ScenarioRun) -> list[str]:
    """A second member dies while the restart of a slow one is prepared: a restart would leave less than quorum + 1."""

    async def kill_second_member() -> None:
        while not run.driver.operators.list_remediations():  # noqa: ASYNC110 - no code sets an event
            await asyncio.sleep(1.0)
        run.inject_fault(FaultKind.DEAD_NODE, "validator-3")

    run.inject_fault(FaultKind.SLOW_NODE, "validator-2")
    second_death = asyncio.create_task(kill_second_member())
    await run.run_until(600.0)
    failures = [] if second_death.done() else ["no remediation of the slow member"]
    second_death.cancel()
    return failures + [str(violation) for violation in check_quorum(build_evidence(run.driver, 0))]


SCENARIOS: dict[str, Callable[[ScenarioRun], Awaitable[list[str]]]] = {
    "oscillation": play_oscillation,
    "fighting": play_foreign_writer,
    "budget": play_budget,
    "concurrency": play_concurrency,
    "storm": play_storm,
    "quorum": play_quorum,
}


def play_scenario(name: str) -> list[str]:
    """Play a scenario and return its failures."""

    async def main() -> list[str]:
        driver = LifeDriver(1, FaultProfile.PEACEFUL)
        driver.scrape()
        for _ in range(WARM_UP_PERIODS):
            await driver.run_period()
        return await SCENARIOS[name](ScenarioRun(driver, driver.environment.now))

    former_level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with coarse_ticks():
            return run_in_virtual_time(main())
    finally:
        logging.disable(former_level)


def main() -> int:
    """Play the named scenarios, or all; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.guard_scenarios", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], default=[], help="scenarios (default: all)")
    lines = list(list_failures(parser.parse_args().names or list(SCENARIOS)))
    for line in lines:
        print(line)
    return 1 if lines else 0


def list_failures(names: list[str]) -> Iterator[str]:
    """Yield the failures of these scenarios."""
    for name in names:
        for failure in play_scenario(name):
            yield f"{name}: {failure}"


if __name__ == "__main__":
    sys.exit(main())
