"""Adaptive limits: what is usual for a metric without a hand-set limit, from its own past only.

Centre is the median, spread the standard deviation of the values between the 5th and 95th percentile, so that an
incident in the past widens the limit little. To the spread comes a floor: a flat series must not make a tick of its
last digit an incident.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from activities.model.violation import Bad

Table = npt.NDArray[np.float64]
"""One row a series, one column an instant, NaN where there is no sample."""

Told = Sequence[float | None]
"""Values over a grid, None where there is none."""

PAST = 120
"""Samples before an instant its usual is taken from: long enough for stable percentiles, short enough to follow."""
WARM_UP = 15
"""Fewest samples that tell what is usual."""
ENTER = 4.0
LEAVE = 3.0
"""Deviations, in spreads, at which a violation begins and ends."""

_TRIM = 0.05
_WHOLE = 1.15
"""The standard deviation of a normal sample is this many times that of its values clipped at `_TRIM`."""
_RELATIVE = 0.05
"""Floor of the spread as a share of the level."""
_FLOORS = {"seconds": 0.0005, "percent": 0.5, "scaled 0..1": 0.01}
"""Floor by unit, in that unit: below it a change matters to nobody."""
_SHARES = frozenset({"availability", "error_ratio"})
"""Kinds near the end of their scale: a floor relative to the level would hide every drop of an availability."""
DAYS = 7
"""Days a time of day is compared with: a week has all of its kinds."""
FEWEST_DAYS = 3
"""Days of the past from which a time of day has its own level."""


class Floor(NamedTuple):
    """The floor of a spread: `relative` × the level + `absolute`, NaN for an unknown unit."""

    relative: float
    absolute: float


def floor_of(unit: str, kind: str) -> Floor:
    """Return the floor for a metric of this unit and kind (as a recording names them)."""
    return Floor(0.0 if kind in _SHARES else _RELATIVE, _FLOORS.get(unit, float("nan")))


def usual(past: Table, floors: Table) -> tuple[Table, Table]:
    """Return centre and spread of each row of `past`, NaN with fewer than `WARM_UP` samples.

    `floors` holds one `Floor` a row. Where the unit is unknown the floor is 5 % of the row's usual height (the 95th
    percentile of |x|), and 1 for a series that has only ever been 0.
    """
    ordered = np.sort(past, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    centre, low, high = (_quantile(ordered, count, share) for share in (0.5, _TRIM, 1.0 - _TRIM))
    clipped = np.clip(ordered, low[:, None], high[:, None])
    some = np.maximum(count, 1)
    mean = np.nansum(clipped, axis=1) / some
    spread = _WHOLE * np.sqrt(np.nansum((clipped - mean[:, None]) ** 2, axis=1) / some)
    height = _quantile(np.sort(np.abs(past), axis=1), count, 1.0 - _TRIM)
    unknown = np.where(height > 0, _RELATIVE * height, 1.0)
    absolute = np.where(np.isnan(floors[:, 1]), unknown, floors[:, 1])
    enough = count >= WARM_UP
    return (
        np.where(enough, centre, np.nan),
        np.where(enough, spread + floors[:, 0] * np.abs(centre) + absolute, np.nan),
    )


def seasonal(past: Table, season: Table, floors: Table) -> tuple[Table, Table]:
    """Return centre and spread of the row's next instant, taking the time of day into account where that helps.

    `season` has one column more than `past`: the level of that time of day at each instant of `past` and at the next
    one (NaN: unknown). A row follows its season where the distance to it was less spread than the values themselves.
    """
    centre, spread = usual(past, floors)
    if not np.isfinite(season[:, -1]).any():
        return centre, spread
    own, away = usual(past - season[:, :-1], floors)
    level = season[:, -1] + own
    away = away + floors[:, 0] * (np.abs(season[:, -1]) - np.abs(own))
    better = np.isfinite(level) & (away < spread)
    return np.where(better, level, centre), np.where(better, away, spread)


def time_of_day(days: Table) -> Table:
    """Return the level of a time of day: the median of each row, NaN with samples of fewer than `FEWEST_DAYS` days.

    `days` holds, per row, the values at and next to that time on the days before: three columns a day.
    """
    ordered = np.sort(days, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    return np.where(count >= 3 * FEWEST_DAYS, _quantile(ordered, count, 0.5), np.nan)


def deviations(values: Told, centres: Told, spreads: Told, bad: Bad) -> tuple[float | None, ...]:
    """Return how far each value is from its usual in spreads, positive in the bad direction, None if not known."""
    told = zip(values, centres, spreads, strict=True)
    away = [None if v is None or c is None or not s else (v - c) / s for v, c, s in told]
    if bad is Bad.EITHER:
        return tuple(None if one is None else abs(one) for one in away)
    return tuple(away) if bad is Bad.ABOVE else tuple(None if one is None else -one for one in away)


def _quantile(ordered: Table, count: npt.NDArray[np.int_], share: float) -> Table:
    """Return a quantile of the first `count` values of each sorted row, NaN for an empty one."""
    place = share * np.maximum(count - 1, 0)
    below = np.floor(place).astype(int)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, below], ordered[rows, np.minimum(below + 1, np.maximum(count - 1, 0))]
    return np.where(count > 0, low + (place - below) * (high - low), np.nan)
