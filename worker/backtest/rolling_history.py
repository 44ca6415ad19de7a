"""The bounded past of all series of a recording, and what was usual at each instant of it."""

from collections.abc import Iterable, Mapping

import numpy as np

from activities.monitor.adaptive import DAYS, PAST, Floor, Table, seasonal, time_of_day

_SHORTEST_DAY = 4
"""Samples a day below which there is no time of day."""
_SLOT = 60.0
"""Seconds of the shortest time of day: finer ones would cost memory and tell nothing new."""
_PAGE = 512
"""Times of day the memory grows by."""

Key = tuple[str, str]
"""(component, metric)."""


class Past:
    """The last samples of every series, one column an instant, and centre and spread from before each of them.

    Memory is bounded by the number of series: `PAST` + `instants` samples each, and `DAYS` days for the time of day of
    those that have a floor: what is usual is only asked of them.
    """

    def __init__(self, step: float, instants: int) -> None:
        self.rows: dict[Key, int] = {}
        self.instants = instants
        self.count = 0
        self.values = _empty(PAST + instants)
        self.odd = _empty(instants)
        self.centre, self.spread = _empty(instants), _empty(instants)
        self._adaptive = np.empty(0, int)
        self._floors, self._levels = _empty(2), _empty(PAST)
        self._days = TimesOfDay(step)

    def append(self, samples: Mapping[Key, float], odd: Iterable[Key], floors: Mapping[Key, Floor]) -> None:
        """Add one instant: first what was usual before it, then its samples.

        `odd` are the series whose sample cannot be read (not finite, or told twice and differently). A series is asked
        what is usual for it if it has a floor when it is first seen.
        """
        self._grow([key for key in dict.fromkeys([*samples, *odd]) if key not in self.rows], floors)
        level = self._days.level(len(self._adaptive))
        centre, spread, column, unreadable = (np.full(len(self.rows), np.nan) for _ in range(4))
        if len(self._adaptive):
            past = self.values[self._adaptive, -PAST:]
            found = seasonal(past, np.column_stack([self._levels, level]), self._floors)
            centre[self._adaptive], spread[self._adaptive] = found
        for key, value in samples.items():
            column[self.rows[key]] = value
        for key in odd:
            unreadable[self.rows[key]] = 1.0
        shifted = zip(
            (self.values, self.odd, self.centre, self.spread, self._levels),
            (column, unreadable, centre, spread, level),
            strict=True,
        )
        for table, newest in shifted:
            table[:, :-1] = table[:, 1:]
            table[:, -1] = newest
        self._days.append(column[self._adaptive])
        self.count += 1

    def _grow(self, keys: list[Key], floors: Mapping[Key, Floor]) -> None:
        if not keys:
            return
        judged = [floors[key] for key in keys if key in floors]
        self._adaptive = np.append(self._adaptive, [len(self.rows) + i for i, key in enumerate(keys) if key in floors])
        self._adaptive = self._adaptive.astype(int)
        for key in keys:
            self.rows[key] = len(self.rows)
        for name in ("values", "odd", "centre", "spread"):
            setattr(self, name, _taller(getattr(self, name), len(keys)))
        self._levels = _taller(self._levels, len(judged))
        self._floors = np.vstack([self._floors, np.array(judged).reshape(-1, 2)])


class TimesOfDay:
    """What each series was at each time of the last `DAYS` days; empty where a step is too long to have one."""

    def __init__(self, step: float) -> None:
        self._step, self._slot = step, max(step, _SLOT)
        self._day = round(86400.0 / self._slot) if 86400.0 / step >= _SHORTEST_DAY else 0
        self._width = DAYS * self._day + 2
        self._count = 0
        self._table = np.empty((0, 0), np.float32)

    def append(self, column: Table) -> None:
        """Add the samples of one instant; of several in one slot the last one stands."""
        self._count += 1
        if not self._day:
            return
        place = self._at(self._count - 1)
        if len(column) > len(self._table) or place % self._width >= self._table.shape[1]:
            size = (len(column), min(self._width, -(-(place + 1) // _PAGE) * _PAGE))
            bigger = np.full(size, np.nan, np.float32)
            bigger[: len(self._table), : self._table.shape[1]] = self._table
            self._table = bigger
        fresh = self._count == 1 or self._at(self._count - 2) != place
        known = np.isfinite(column) | fresh
        self._table[known, place % self._width] = column[known]

    def level(self, rows: int) -> Table:
        """Return the level of the next instant's time of day, NaN for rows not known yet."""
        found = np.full(rows, np.nan)
        place = self._at(self._count)
        if not self._day or place < self._day or not len(self._table):
            return found
        backs = [day * self._day - near for day in range(1, DAYS + 1) for near in (-1, 0, 1)]
        known = [(place - back) % self._width for back in backs if 0 < back <= min(place, self._width)]
        found[: len(self._table)] = time_of_day(self._table[:, known].astype(float))
        return found

    def _at(self, count: int) -> int:
        return int(count * self._step // self._slot)


def _empty(width: int) -> Table:
    return np.empty((0, width))


def _taller(table: Table, rows: int) -> Table:
    return np.vstack([table, np.full((rows, table.shape[1]), np.nan)])
