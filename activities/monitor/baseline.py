"""Adaptive limits: what is usual for a metric without a hand-set limit, from its own past only.

Centre is the median, spread the standard deviation of the values between the 5th and 95th percentile, so that an
incident in the past widens the limit little. To the spread comes a floor: a flat series must not make a tick of its
last digit an incident.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from activities.model.types import FloatArray
from activities.model.violation import BreachSide

OptionalValues = Sequence[float | None]
"""Values over a grid, None where there is none."""

LEARNING_SAMPLES = 120
"""Samples before an instant its usual is taken from: long enough for stable percentiles, short enough to follow."""
MIN_LEARNING_SAMPLES = 15
"""Fewest samples that tell what is usual."""
THRESHOLD_SPREADS = 4.0
CLEAR_THRESHOLD_SPREADS = 3.0
"""Deviations, in spreads, at which a violation begins and ends."""

_TRIM_FRACTION = 0.05
_TRIM_CORRECTION = 1.15
"""The standard deviation of a normal sample is this many times that of its values clipped at `_TRIM`."""
_RELATIVE_FLOOR = 0.05
"""Floor of the spread as a share of the level."""
_FLOOR_BY_UNIT = {"seconds": 0.0005, "percent": 0.5, "scaled 0..1": 0.01}
"""Floor by unit, in that unit: below it a change matters to nobody."""
_BOUNDED_KINDS = frozenset({"availability", "error_ratio"})
"""Kinds near the end of their scale: a floor relative to the level would hide every drop of an availability."""
SEASONAL_DAYS = 7
"""Days a time of day is compared with: a week has all of its kinds."""
MIN_DAYS = 3
"""Days of the past from which a time of day has its own level."""


class SpreadFloor(NamedTuple):
    """The floor of a spread: `relative` × the level + `absolute`, NaN for an unknown unit."""

    relative: float
    absolute: float


def spread_floor(unit: str, kind: str) -> SpreadFloor:
    """Return the floor for a metric of this unit and kind (as a recording names them)."""
    return SpreadFloor(0.0 if kind in _BOUNDED_KINDS else _RELATIVE_FLOOR, _FLOOR_BY_UNIT.get(unit, float("nan")))


def compute_baseline(history: FloatArray, floors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread of each row of `past`, NaN with fewer than `WARM_UP` samples.

    `floors` holds one `Floor` a row. Where the unit is unknown the floor is 5 % of the row's usual height (the 95th
    percentile of |x|), and 1 for a series that has only ever been 0.
    """
    ordered = np.sort(history, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    centre, low, high = (_quantile(ordered, count, share) for share in (0.5, _TRIM_FRACTION, 1.0 - _TRIM_FRACTION))
    clipped = np.clip(ordered, low[:, None], high[:, None])
    some = np.maximum(count, 1)
    mean = np.nansum(clipped, axis=1) / some
    spread = _TRIM_CORRECTION * np.sqrt(np.nansum((clipped - mean[:, None]) ** 2, axis=1) / some)
    height = _quantile(np.sort(np.abs(history), axis=1), count, 1.0 - _TRIM_FRACTION)
    unknown = np.where(height > 0, _RELATIVE_FLOOR * height, 1.0)
    absolute = np.where(np.isnan(floors[:, 1]), unknown, floors[:, 1])
    enough = count >= MIN_LEARNING_SAMPLES
    return (
        np.where(enough, centre, np.nan),
        np.where(enough, spread + floors[:, 0] * np.abs(centre) + absolute, np.nan),
    )


def compute_seasonal_baseline(
    history: FloatArray, season_levels: FloatArray, floors: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread of the row's next instant, taking the time of day into account where that helps.

    `season` has one column more than `past`: the level of that time of day at each instant of `past` and at the next
    one (NaN: unknown). A row follows its season where the distance to it was less spread than the values themselves.
    """
    centre, spread = compute_baseline(history, floors)
    if not np.isfinite(season_levels[:, -1]).any():
        return centre, spread
    own, away = compute_baseline(history - season_levels[:, :-1], floors)
    level = season_levels[:, -1] + own
    away = away + floors[:, 0] * (np.abs(season_levels[:, -1]) - np.abs(own))
    better = np.isfinite(level) & (away < spread)
    return np.where(better, level, centre), np.where(better, away, spread)


def time_of_day_level(earlier_days: FloatArray) -> FloatArray:
    """Return the level of a time of day: the median of each row, NaN with samples of fewer than `FEWEST_DAYS` days.

    `days` holds, per row, the values at and next to that time on the days before: three columns a day.
    """
    ordered = np.sort(earlier_days, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    return np.where(count >= 3 * MIN_DAYS, _quantile(ordered, count, 0.5), np.nan)


def compute_deviations(
    values: OptionalValues, centres: OptionalValues, spreads: OptionalValues, breach: BreachSide
) -> tuple[float | None, ...]:
    """Return how far each value is from its usual in spreads, positive in the bad direction, None if not known."""
    told = zip(values, centres, spreads, strict=True)
    away = [None if v is None or c is None or not s else (v - c) / s for v, c, s in told]
    if breach is BreachSide.EITHER:
        return tuple(None if one is None else abs(one) for one in away)
    return tuple(away) if breach is BreachSide.ABOVE else tuple(None if one is None else -one for one in away)


def _quantile(ordered: FloatArray, count: npt.NDArray[np.int_], fraction: float) -> FloatArray:
    """Return a quantile of the first `count` values of each sorted row, NaN for an empty one."""
    place = fraction * np.maximum(count - 1, 0)
    below = np.floor(place).astype(int)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, below], ordered[rows, np.minimum(below + 1, np.maximum(count - 1, 0))]
    return np.where(count > 0, low + (place - below) * (high - low), np.nan)
