"""The bounded past of all series of a recording, with the baseline at each instant."""

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
"""Samples per day below which times of day are not distinguished."""
_MIN_SLOT_SECONDS = 60.0
"""Minimum seconds of one time of day; finer slots cost memory without benefit."""
_GROWTH_SLOTS = 512
"""Slots by which the table grows."""


class RollingHistory:
    """The last samples of every series, one column per instant, with centre and spread of the samples before it.

    Memory per series is bounded: `LEARNING_SAMPLES` + `instants` samples, and `SEASONAL_DAYS` days of times of day for
    series with a spread floor. Only these have a baseline.
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
        """Add one instant: first the baseline before it, then its samples.

        `untrusted` are the series without a usable sample (not finite, or two different values). A series has a
        baseline if it has a floor at its first sample.
        """
        self._grow([key for key in dict.fromkeys([*samples, *untrusted]) if key not in self.rows], floors)
        level = self._times_of_day.next_level(len(self._adaptive))
        centre, spread, column, unreadable = (np.full(len(self.rows), np.nan) for _ in range(4))
        if len(self._adaptive):
            past = self.values[self._adaptive, -LEARNING_SAMPLES:]
            baseline = compute_seasonal_baseline(past, np.column_stack([self._levels, level]), self._floors)
            centre[self._adaptive], spread[self._adaptive] = baseline
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
        new_floors = [floors[key] for key in keys if key in floors]
        self._adaptive = np.append(self._adaptive, [len(self.rows) + i for i, key in enumerate(keys) if key in floors])
        self._adaptive = self._adaptive.astype(int)
        for key in keys:
            self.rows[key] = len(self.rows)
        for name in ("values", "untrusted", "centre", "spread"):
            setattr(self, name, _add_rows(getattr(self, name), len(keys)))
        self._levels = _add_rows(self._levels, len(new_floors))
        self._floors = np.vstack([self._floors, np.array(new_floors).reshape(-1, 2)])


class TimeOfDayHistory:
    """The value of each series at each time of the last `SEASONAL_DAYS` days; empty if the step is too long."""

    def __init__(self, step: float) -> None:
        self._step, self._slot = step, max(step, _MIN_SLOT_SECONDS)
        self._slots_per_day = round(DAY_SECONDS / self._slot) if DAY_SECONDS / step >= _MIN_SAMPLES_PER_DAY else 0
        self._width = SEASONAL_DAYS * self._slots_per_day + 2
        self._count = 0
        self._table = np.empty((0, 0), np.float32)

    def append(self, column: FloatArray) -> None:
        """Add the samples of one instant; within a slot the last one counts."""
        self._count += 1
        if not self._slots_per_day:
            return
        slot = self._slot_index(self._count - 1)
        if len(column) > len(self._table) or slot % self._width >= self._table.shape[1]:
            size = (len(column), min(self._width, -(-(slot + 1) // _GROWTH_SLOTS) * _GROWTH_SLOTS))
            larger = np.full(size, np.nan, np.float32)
            larger[: len(self._table), : self._table.shape[1]] = self._table
            self._table = larger
        is_new_slot = self._count == 1 or self._slot_index(self._count - 2) != slot
        known = np.isfinite(column) | is_new_slot
        self._table[known, slot % self._width] = column[known]

    def next_level(self, row_count: int) -> FloatArray:
        """Return the level at the next instant's time of day, NaN for rows without history."""
        levels = np.full(row_count, np.nan)
        slot = self._slot_index(self._count)
        if not self._slots_per_day or slot < self._slots_per_day or not len(self._table):
            return levels
        offsets = [day * self._slots_per_day - near for day in range(1, SEASONAL_DAYS + 1) for near in (-1, 0, 1)]
        known = [(slot - offset) % self._width for offset in offsets if 0 < offset <= min(slot, self._width)]
        levels[: len(self._table)] = time_of_day_level(self._table[:, known].astype(float))
        return levels

    def _slot_index(self, count: int) -> int:
        return int(count * self._step // self._slot)


def _empty_table(width: int) -> FloatArray:
    return np.empty((0, width))


def _add_rows(table: FloatArray, row_count: int) -> FloatArray:
    return np.vstack([table, np.full((row_count, table.shape[1]), np.nan)])
