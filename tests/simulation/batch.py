"""Many lives, each from a seed of its own: what `make simulate` plays on all cores."""

import gc
import logging
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.driver import Driver, Temper
from tests.simulation.report import judged
from tests.simulation.speedups import quick
from tests.simulation.virtual_time import run
from tests.soak.checker.evidence import Violation


@dataclass
class Found:
    """Figures of one or many lives, and every violation in them."""

    figures: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Take another's figures and violations in."""
        self.figures.update(other.figures)
        self.violations += other.violations


def live(seed: int, cycles: int, temper: Temper = Temper.USUAL) -> Found:
    """Play one life and judge it. It keeps most of what it makes, so garbage is seldom looked for meanwhile."""

    async def main() -> Found:
        driver = Driver(seed, temper)
        await driver.live(cycles)
        violations, figures = judged(driver, seed)
        return Found(Counter(figures), violations)

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 50, 50)
    try:
        with quick():
            return run(main())
    finally:
        gc.set_threshold(*usual)
        logging.disable(before)
