"""One life from a seed, and the sum of many: `make simulate` plays them on all cores."""

import gc
import logging
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.driver import FaultProfile, LifeDriver
from tests.simulation.report import check_life
from tests.simulation.speedups import fast_simulation
from tests.simulation.virtual_time import run_in_virtual_time
from tests.soak.checker.evidence import Violation


@dataclass
class LifeResult:
    """Figures of one or many lives, and every violation in them."""

    figures: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def merge(self, other: "LifeResult") -> None:
        """Add the figures and violations of another result."""
        self.figures.update(other.figures)
        self.violations += other.violations


def play_life(seed: int, cycles: int, profile: FaultProfile = FaultProfile.NORMAL) -> LifeResult:
    """Play one life and check it. Garbage is collected rarely: a life keeps most of its objects."""

    async def main() -> LifeResult:
        driver = LifeDriver(seed, profile)
        await driver.run_cycles(cycles)
        violations, figures = check_life(driver, seed)
        return LifeResult(Counter(figures), violations)

    former_level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    former_threshold = gc.get_threshold()
    gc.set_threshold(50_000, 50, 50)
    try:
        with fast_simulation():
            return run_in_virtual_time(main())
    finally:
        gc.set_threshold(*former_threshold)
        logging.disable(former_level)
