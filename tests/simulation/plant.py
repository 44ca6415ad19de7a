"""The simulated Charter in virtual time: the very plant, with coarse ticks, and able to skip what nobody looks at."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.simulator import plant as product
from deploy.simulator.plant import Plant

TICK = 7.5
"""Seconds of a tick: queues settle within it, so waits jump where they would climb."""


@contextmanager
def coarse_ticks() -> Iterator[None]:
    """Let every plant tick coarsely within the block."""
    fine = product.TICK_S
    product.TICK_S = TICK  # type: ignore[misc]
    try:
        yield
    finally:
        product.TICK_S = fine  # type: ignore[misc]


class QuietPlant(Plant):
    """A plant that can stand still while it is healthy."""

    def skip(self, seconds: float) -> None:
        """Let the time pass in which nothing happens: counters stay, the clock moves."""
        self._start += seconds
        self.now += seconds

    def wake(self) -> None:
        """Catch up with what a plant at work would have done meanwhile."""
        for meter in self.meters.values():
            meter.set("policy_last_load_timestamp", self.now)
