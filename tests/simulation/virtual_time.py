"""An asyncio loop whose clock jumps to what is due next: hours pass in no time, and always in the same order."""

import asyncio
import selectors
import warnings
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START_TIME = 1_700_000_010.0
"""Unix seconds at which every simulation begins; a multiple of the scrape interval, plus 10."""


class _TimeJumpSelector(selectors.SelectSelector):
    """Waits by moving the clock. Nothing outside the loop ever wakes it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START_TIME

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing is due: the simulation is stuck")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Time is unix seconds and moves only when every task waits."""

    def __init__(self) -> None:
        self._leaping = _TimeJumpSelector()
        super().__init__(self._leaping)
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return the present instant, unix seconds."""
        return self._leaping.now


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time; whatever still runs then is cancelled."""
    with warnings.catch_warnings(), asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        # A worker that dies leaves coroutines behind that never began.
        warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
        return runner.run(main)
