"""The bounded past of all series of a recording, and what was usual at each instant of it."""

from collections.abc import Iterable, Mapping

import numpy as np

from activities.model.types import DAY_SECONDS, FloatArray, MetricKey
from activities.monitor.baseline import (
    LEARNING_SAMPLES,
    SEASONAL_DAYS,
    SpreadFloor,
    compute_seasonal_baseline,
    time_of_day_level,
)

_MIN_SAMPLES_PER_DAY = 4
"""Samples a day below which there is no time of day."""
_MIN_SLOT_SECONDS = 60.0
"""Seconds of the shortest time of day: finer ones would cost memory and tell nothing new."""
_GROWTH_SLOTS = 512
"""Times of day the memory grows by."""


class RollingHistory:
    """The last samples of every series, one column an instant, and centre and spread from before each of them.

    Memory is bounded by the number of series: `PAST` + `instants` samples each, and `DAYS` days for the time of day of
    those that have a floor: what is usual is only asked of them.
    """

    def __init__(self, step: float, instants: int) -> None:
        self.rows: dict[MetricKey, int] = {}
        self.instants = instants
        self.count = 0
        self.values = _empty_table(LEARNING_SAMPLES + instants)
        self.untrusted = _empty_table(instants)
        self.centre, self.spread = _empty_table(instants), _empty_table(instants)
        self._adaptive = np.empty(0, int)
        self._floors, self._levels = _empty_table(2), _empty_table(LEARNING_SAMPLES)
        self._times_of_day = TimeOfDayHistory(step)

    def append(
        self,
        samples: Mapping[MetricKey, float],
        untrusted: Iterable[MetricKey],
        floors: Mapping[MetricKey, SpreadFloor],
    ) -> None:
        """Add one instant: first what was usual before it, then its samples.

        `odd` are the series whose sample cannot be read (not finite, or told twice and differently). A series is asked
        what is usual for it if it has a floor when it is first seen.
        """
        self._grow([key for key in dict.fromkeys([*samples, *untrusted]) if key not in self.rows], floors)
        level = self._times_of_day.next_level(len(self._adaptive))
        centre, spread, column, unreadable = (np.full(len(self.rows), np.nan) for _ in range(4))
        if len(self._adaptive):
            past = self.values[self._adaptive, -LEARNING_SAMPLES:]
            found = compute_seasonal_baseline(past, np.column_stack([self._levels, level]), self._floors)
            centre[self._adaptive], spread[self._adaptive] = found
        for key, value in samples.items():
            column[self.rows[key]] = value
        for key in untrusted:
            unreadable[self.rows[key]] = 1.0
        shifted = zip(
            (self.values, self.untrusted, self.centre, self.spread, self._levels),
            (column, unreadable, centre, spread, level),
            strict=True,
        )
        for table, newest in shifted:
            table[:, :-1] = table[:, 1:]
            table[:, -1] = newest
        self._times_of_day.append(column[self._adaptive])
        self.count += 1

    def _grow(self, keys: list[MetricKey], floors: Mapping[MetricKey, SpreadFloor]) -> None:
        if not keys:
            return
        judged = [floors[key] for key in keys if key in floors]
        self._adaptive = np.append(self._adaptive, [len(self.rows) + i for i, key in enumerate(keys) if key in floors])
        self._adaptive = self._adaptive.astype(int)
        for key in keys:
            self.rows[key] = len(self.rows)
        for name in ("values", "untrusted", "centre", "spread"):
            setattr(self, name, _add_rows(getattr(self, name), len(keys)))
        self._levels = _add_rows(self._levels, len(judged))
        self._floors = np.vstack([self._floors, np.array(judged).reshape(-1, 2)])


class TimeOfDayHistory:
    """What each series was at each time of the last `DAYS` days; empty where a step is too long to have one."""

    def __init__(self, step: float) -> None:
        self._step, self._slot = step, max(step, _MIN_SLOT_SECONDS)
        self._slots_per_day = round(DAY_SECONDS / self._slot) if DAY_SECONDS / step >= _MIN_SAMPLES_PER_DAY else 0
        self._width = SEASONAL_DAYS * self._slots_per_day + 2
        self._count = 0
        self._table = np.empty((0, 0), np.float32)

    def append(self, column: FloatArray) -> None:
        """Add the samples of one instant; of several in one slot the last one stands."""
        self._count += 1
        if not self._slots_per_day:
            return
        place = self._slot_index(self._count - 1)
        if len(column) > len(self._table) or place % self._width >= self._table.shape[1]:
            size = (len(column), min(self._width, -(-(place + 1) // _GROWTH_SLOTS) * _GROWTH_SLOTS))
            bigger = np.full(size, np.nan, np.float32)
            bigger[: len(self._table), : self._table.shape[1]] = self._table
            self._table = bigger
        fresh = self._count == 1 or self._slot_index(self._count - 2) != place
        known = np.isfinite(column) | fresh
        self._table[known, place % self._width] = column[known]

    def next_level(self, row_count: int) -> FloatArray:
        """Return the level of the next instant's time of day, NaN for rows not known yet."""
        found = np.full(row_count, np.nan)
        place = self._slot_index(self._count)
        if not self._slots_per_day or place < self._slots_per_day or not len(self._table):
            return found
        backs = [day * self._slots_per_day - near for day in range(1, SEASONAL_DAYS + 1) for near in (-1, 0, 1)]
        known = [(place - back) % self._width for back in backs if 0 < back <= min(place, self._width)]
        found[: len(self._table)] = time_of_day_level(self._table[:, known].astype(float))
        return found

    def _slot_index(self, count: int) -> int:
        return int(count * self._step // self._slot)


def _empty_table(width: int) -> FloatArray:
    return np.empty((0, width))


def _add_rows(table: FloatArray, row_count: int) -> FloatArray:
    return np.vstack([table, np.full((row_count, table.shape[1]), np.nan)])
