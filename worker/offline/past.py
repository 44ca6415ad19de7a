"""The bounded past of all series of a recording, and what was usual at each instant of it."""

from collections.abc import Iterable, Mapping

import numpy as np

from activities.monitor.adaptive import DAYS, PAST, Floor, Table, seasonal, time_of_day

_SHORTEST_DAY = 4
"""Samples a day below which there is no time of day."""

Key = tuple[str, str]
"""(component, metric)."""


class Past:
    """The last samples of every series, one column an instant, and centre and spread from before each of them.

    Memory is bounded by the number of series: `PAST` + `instants` samples each, and `DAYS` days for the time of day.
    """

    def __init__(self, step: float, instants: int) -> None:
        self.rows: dict[Key, int] = {}
        self.instants = instants
        self.count = 0
        self._day = round(86400.0 / step) if 86400.0 / step >= _SHORTEST_DAY else 0
        self.values = _empty(PAST + instants)
        self.odd = _empty(instants)
        self.centre, self.spread = _empty(instants), _empty(instants)
        self._levels = _empty(PAST)
        self._days = _empty(DAYS * self._day + 2)
        self._floors = _empty(2)

    def append(self, samples: Mapping[Key, float], odd: Iterable[Key], floors: Mapping[Key, Floor]) -> None:
        """Add one instant: first what was usual before it, then its samples.

        `odd` are the series whose sample cannot be read (not finite, or told twice and differently).
        """
        for key in {*samples, *odd} - self.rows.keys():
            self._grow(key, floors[key])
        level = self._level()
        season = np.column_stack([self._levels, level])
        centre, spread = seasonal(self.values[:, -PAST:], season, self._floors)
        column, unreadable = np.full(len(self.rows), np.nan), np.full(len(self.rows), np.nan)
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
        if self._day:
            self._days[:, self.count % self._days.shape[1]] = column
        self.count += 1

    def _level(self) -> Table:
        """Return the level of the next instant's time of day."""
        size = self._days.shape[1]
        if not self._day or self.count < self._day:
            return np.full(len(self.rows), np.nan)
        backs = [day * self._day - near for day in range(1, DAYS + 1) for near in (-1, 0, 1)]
        known = [(self.count - back) % size for back in backs if 0 < back <= min(self.count, size)]
        return time_of_day(self._days[:, known])

    def _grow(self, key: Key, floor: Floor) -> None:
        self.rows[key] = len(self.rows)
        for name in ("values", "odd", "centre", "spread", "_levels", "_days"):
            table: Table = getattr(self, name)
            setattr(self, name, np.vstack([table, np.full((1, table.shape[1]), np.nan)]))
        self._floors = np.vstack([self._floors, np.array([floor])])


def _empty(width: int) -> Table:
    return np.empty((0, width))
