"""The simulated Charter in virtual time: the very plant, with coarse ticks, and able to skip what nobody looks at."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.simulator import plant as product
from deploy.simulator.plant import Plant

TICK_SECONDS = 7.5
"""Seconds of a tick: queues settle within it, so waits jump where they would climb."""


@contextmanager
def coarse_ticks() -> Iterator[None]:
    """Let every plant tick coarsely within the block."""
    fine = product.TICK_SECONDS
    product.TICK_SECONDS = TICK_SECONDS  # type: ignore[misc]
    try:
        yield
    finally:
        product.TICK_SECONDS = fine  # type: ignore[misc]


class SkippablePlant(Plant):
    """A plant that can stand still while it is healthy."""

    def skip_time(self, seconds: float) -> None:
        """Let the time pass in which nothing happens: counters stay, the clock moves."""
        self._start += seconds
        self.now += seconds

    def catch_up(self) -> None:
        """Catch up with what a plant at work would have done meanwhile."""
        for meter in self.component_metrics.values():
            meter.set_gauge("policy_last_load_timestamp", self.now)
