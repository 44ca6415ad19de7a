"""An asyncio loop whose clock jumps to the next timer: hours pass immediately, always in the same order."""

import asyncio
import selectors
import warnings
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START_TIME = 1_700_000_010.0
"""Unix seconds at the start of every simulation: a multiple of the scrape interval, plus 10."""


class _TimeJumpSelector(selectors.SelectSelector):
    """Waits by moving the clock. No event outside the loop wakes it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START_TIME

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits and no timer is due")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time (unix seconds) moves only when every task waits."""

    def __init__(self) -> None:
        self._selector_clock = _TimeJumpSelector()
        super().__init__(self._selector_clock)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return the present instant, unix seconds."""
        return self._selector_clock.now


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time, then cancel the tasks that still run."""
    with warnings.catch_warnings(), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        # A killed worker leaves coroutines that were never started.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        return runner.run(main)
