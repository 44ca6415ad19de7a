"""The simulator's plant in virtual time: coarse ticks, and time that can be skipped."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.simulator import plant as product
from deploy.simulator.plant import Plant

TICK_SECONDS = 7.5
"""Seconds of a tick. Queues settle within one tick, so waits jump instead of climbing."""


@contextmanager
def coarse_ticks() -> Iterator[None]:
    """Set the coarse tick for every plant within the block."""
    former_seconds = product.TICK_SECONDS
    product.TICK_SECONDS = TICK_SECONDS  # type: ignore[misc]
    try:
        yield
    finally:
        product.TICK_SECONDS = former_seconds  # type: ignore[misc]


class SkippablePlant(Plant):
    """A plant whose time can be skipped while it is healthy."""

    def skip_time(self, seconds: float) -> None:
        """Move the clock without a change of the counters."""
        self._start += seconds
        self.now += seconds

    def catch_up(self) -> None:
        """Set the gauges that a running plant would have set meanwhile."""
        for meter in self.component_metrics.values():
            meter.set_gauge("policy_last_load_timestamp", self.now)
