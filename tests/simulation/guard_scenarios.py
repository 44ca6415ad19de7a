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
from deploy.simulator.records import FOREIGN
from tests.simulation.driver import Driver, Temper
from tests.simulation.plant import coarse_ticks
from tests.simulation.report import evidence_of
from tests.simulation.virtual_time import run
from tests.soak.checker.effects import above_quorum

HOUR = 3600.0
WARM_UP = 6
"""Periods until everything can be judged."""


@dataclass
class Story:
    """A peaceful life in which only what the scenario does happens. `done` are (at, plan, knob) of our changes."""

    driver: Driver
    began: float = 0.0
    done: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def now(self) -> float:
        """Seconds since the scenario began."""
        return self.driver.world.now - self.began

    def strike(self, kind: FaultKind, place: str) -> None:
        """Switch a fault on, unless it is on."""
        plant = self.driver.world.plant
        if not any((fault.kind, fault.component) == (kind, place) for fault in plant.faults):
            plant.inject(kind, place)

    def scale(self, replicas: int) -> None:
        """Change the committee's size past the loop."""
        self.driver.world.refresh()
        self.driver.world.plant.scale(replicas, FOREIGN)
        self.driver.world.charter.cache.clear()

    async def until(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Live on until so many seconds after the beginning; do `each` once a period while nothing is remedied."""
        while self.now < seconds:
            if not self.driver.people.remediations():
                each()
            await self.driver.period()
        evidence = evidence_of(self.driver, 0)
        self.done = [
            (one.row["at"] - self.began, one.plan, one.row["knob"]) for one in evidence.done if one.direction == "do"
        ]

    def tries(self, until: float = float("inf")) -> int:
        """Return how many plans changed something before then."""
        return len({plan for at, plan, _ in self.done if at <= until})

    async def audited(self, rule: str) -> list[str]:
        """Return what is wrong with the audit of a guard that holds a knob: it tells of it, and once an hour."""
        rows = [row for row in await self.driver.world.store.audit.of_loop("charter", 1000) if row.kind == rule]
        wrong = [] if rows else [f"no row of the audit tells of {rule}"]
        return wrong + [
            f"{rule} was told twice within {later.at - row.at:.0f} s"
            for row, later in pairwise(rows)
            if row.knob == later.knob and later.at - row.at < HOUR
        ]

    async def blocked(self) -> set[str]:
        """Return the rules that held a decision back."""
        found: set[str] = set()
        for run_of in (*self.driver.world.engine.closed, *self.driver.world.engine.running.values()):
            decision = await self.driver.world.store.plans.decision_of(run_of.workflow_id)
            found |= {block.rule for block in decision.blocks} if decision else set()
        return found


async def oscillation(story: Story) -> list[str]:
    """A member dies again after every restart: the knob is frozen after three tries."""
    await story.until(4200.0, lambda: story.strike(FaultKind.DEAD_NODE, "validator-2"))
    wrong = [f"{story.tries(4200.0)} tries against a fault that returns"] if story.tries(4200.0) > 3 else []
    wrong += await story.audited("frozen")
    return wrong + ([] if "frozen" in await story.blocked() else ["the knob was never frozen"])


async def fighting(story: Story) -> list[str]:
    """Somebody takes back every size the loop sets: it tries at most twice, and backs off."""

    def fight() -> None:
        story.strike(FaultKind.FEW_VALIDATORS, "validator-1")
        if len(story.driver.world.plant.committee.names) > 5:
            story.scale(5)

    await story.until(3000.0, fight)
    wrong = [f"{story.tries()} tries against another writer"] if story.tries() > 2 else []
    wrong += await story.audited("foreign-writer")
    return wrong + ([] if "foreign-writer" in await story.blocked() else ["the other writer was never noticed"])


async def budget(story: Story) -> list[str]:
    """Another member dies after each restart: no hour sees more than three remediations of the committee."""
    places = cycle(f"validator-{n}" for n in (2, 3, 4, 5))

    def strike() -> None:
        # One at a time, for several dead members are a storm; another one each time, for the same one is a circle.
        if not story.driver.world.plant.dead():
            story.strike(FaultKind.DEAD_NODE, next(places))

    await story.until(5400.0, strike)
    begun = sorted({plan: at for at, plan, knob in reversed(story.done) if knob == "committee"}.values())
    most = max((sum(start <= at < start + HOUR for at in begun) for start in begun), default=0)
    return [f"{most} remediations of the committee in one hour"] if most > 3 else []


async def concurrency(story: Story) -> list[str]:
    """Two unrelated faults come at once: the second is remedied when the first one has been judged."""
    story.strike(FaultKind.OVERLOAD, "gateway")
    story.strike(FaultKind.DEAD_NODE, "validator-2")
    await story.until(900.0)
    wrong = [
        f"{second[2]} was changed {second[0] - first[0]:.0f} s after {first[2]}"
        for first, second in pairwise(story.done)
        if first[1] != second[1] and second[0] - first[0] < 45.0
    ]
    return wrong + ([] if story.tries() >= 2 else [f"only {story.tries()} remediations"])


async def stormy(story: Story) -> list[str]:
    """Nearly everything breaks at once: a storm is entered and nothing done in it, and it is left when all is well."""
    for kind, place in (
        (FaultKind.FEW_VALIDATORS, "validator-1"),
        (FaultKind.RETRY_CASCADE, "gateway"),
        (FaultKind.OVERLOAD, "policy-engine"),
    ):
        story.strike(kind, place)
    await story.until(600.0)
    story.driver.world.plant.heal()
    story.driver.world.charter.cache.clear()
    await story.until(1800.0)
    rows = [row for row in await story.driver.world.store.audit.of_loop("charter", 1000) if row.kind == "storm"]
    told = [row.text.partition(":")[0].partition(" ")[0] for row in rows]
    wrong = [] if told == ["entered", "left"] else [f"storm: {told}"]
    spans = [(a.at - story.began, b.at - story.began) for a, b in zip(rows[::2], rows[1::2], strict=False)]
    return wrong + [f"{knob} was changed in a storm" for at, _, knob in story.done if any(s < at < e for s, e in spans)]


async def quorum(story: Story) -> list[str]:
    """A second member dies while the restart of a slow one is prepared: it would leave less than quorum + 1."""

    async def die() -> None:
        while not story.driver.people.remediations():  # noqa: ASYNC110 - nobody would set an event
            await asyncio.sleep(1.0)
        story.strike(FaultKind.DEAD_NODE, "validator-3")

    story.strike(FaultKind.SLOW_NODE, "validator-2")
    death = asyncio.create_task(die())
    await story.until(600.0)
    wrong = [] if death.done() else ["the slow member was never to be restarted"]
    death.cancel()
    return wrong + [str(violation) for violation in above_quorum(evidence_of(story.driver, 0))]


SCENARIOS: dict[str, Callable[[Story], Awaitable[list[str]]]] = {
    "oscillation": oscillation,
    "fighting": fighting,
    "budget": budget,
    "concurrency": concurrency,
    "storm": stormy,
    "quorum": quorum,
}


def played(name: str) -> list[str]:
    """Play a scenario and return what is wrong."""

    async def main() -> list[str]:
        driver = Driver(1, Temper.PEACEFUL)
        driver.scrape()
        for _ in range(WARM_UP):
            await driver.period()
        return await SCENARIOS[name](Story(driver, driver.world.now))

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with coarse_ticks():
            return run(main())
    finally:
        logging.disable(before)


def main() -> int:
    """Play the scenarios that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.guard_scenarios", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SCENARIOS, []], default=[])
    lines = list(found(parser.parse_args().names or list(SCENARIOS)))
    for line in lines:
        print(line)
    return 1 if lines else 0


def found(names: list[str]) -> Iterator[str]:
    """Yield what is wrong in these scenarios."""
    for name in names:
        for wrong in played(name):
            yield f"{name}: {wrong}"


if __name__ == "__main__":
    sys.exit(main())
