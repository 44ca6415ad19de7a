"""The baseline of a metric without a hand-set limit, computed from its own past only.

The centre is the median. The spread is the standard deviation of the values clipped at the 5th and 95th percentile, so
that a past incident widens the limit little. A floor is added to the spread: without it, a change in the last digit of
a flat series would be an incident.
"""

import operator
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from activities.model.types import FloatArray
from activities.model.violation import BreachSide

OptionalValues = Sequence[float | None]
"""Values over a grid, None where a value is missing."""

LEARNING_SAMPLES = 120
"""Samples before an instant that make its baseline: enough for stable percentiles, few enough to follow the day."""
MIN_LEARNING_SAMPLES = 15
"""Fewest samples that make a baseline."""
THRESHOLD_SPREADS = 4.0
CLEAR_THRESHOLD_SPREADS = 3.0
"""Deviations, in spreads, at which a violation begins and ends."""

_TRIM_FRACTION = 0.05
_TRIM_CORRECTION = 1.15
"""Ratio of a normal sample's standard deviation to that of its values clipped at `_TRIM_FRACTION`."""
_RELATIVE_FLOOR = 0.05
"""Floor of the spread as a share of the level."""
_FLOOR_BY_UNIT = {"seconds": 0.0005, "percent": 0.5, "scaled 0..1": 0.01}
"""Floor by unit, in that unit: smaller changes do not matter."""
_BOUNDED_KINDS = frozenset({"availability", "error_ratio"})
"""Kinds near the end of their scale: a floor relative to the level would hide every drop of an availability."""
SEASONAL_DAYS = 7
"""Days that a time of day is compared with: a week covers workdays and weekends."""
MIN_DAYS = 3
"""Fewest past days from which a time of day has a level."""


class SpreadFloor(NamedTuple):
    """The floor of a spread: `relative` × the level + `absolute`, NaN for an unknown unit."""

    relative: float
    absolute: float


def spread_floor(unit: str, kind: str) -> SpreadFloor:
    """Return the floor for a metric of this unit and kind, named as in a recording."""
    return SpreadFloor(0.0 if kind in _BOUNDED_KINDS else _RELATIVE_FLOOR, _FLOOR_BY_UNIT.get(unit, float("nan")))


def compute_baseline(history: FloatArray, floors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread of each row of `history`, NaN with fewer than `MIN_LEARNING_SAMPLES` samples.

    `floors` holds one `SpreadFloor` a row. For an unknown unit the floor is 5 % of the row's height (the 95th
    percentile of |x|), and 1 for a series of zeros.
    """
    ordered = np.sort(history, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    centre, low, high = (_quantile(ordered, count, share) for share in (0.5, _TRIM_FRACTION, 1.0 - _TRIM_FRACTION))
    clipped = np.clip(ordered, low[:, None], high[:, None])
    divisor = np.maximum(count, 1)
    mean = np.nansum(clipped, axis=1) / divisor
    spread = _TRIM_CORRECTION * np.sqrt(np.nansum((clipped - mean[:, None]) ** 2, axis=1) / divisor)
    height = _quantile(np.sort(np.abs(history), axis=1), count, 1.0 - _TRIM_FRACTION)
    unknown_unit = np.where(height > 0, _RELATIVE_FLOOR * height, 1.0)
    absolute = np.where(np.isnan(floors[:, 1]), unknown_unit, floors[:, 1])
    is_sufficient = count >= MIN_LEARNING_SAMPLES
    return (
        np.where(is_sufficient, centre, np.nan),
        np.where(is_sufficient, spread + floors[:, 0] * np.abs(centre) + absolute, np.nan),
    )


def compute_seasonal_baseline(
    history: FloatArray, season_levels: FloatArray, floors: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread of each row's next instant, with the time of day where it narrows the spread.

    `season_levels` has one column more than `history`: the level of the time of day at each instant of `history` and
    at the next one, NaN if unknown. A row follows its season where the distances to the season have a smaller spread
    than the values.
    """
    centre, spread = compute_baseline(history, floors)
    if not np.isfinite(season_levels[:, -1]).any():
        return centre, spread
    offset, seasonal_spread = compute_baseline(history - season_levels[:, :-1], floors)
    level = season_levels[:, -1] + offset
    seasonal_spread = seasonal_spread + floors[:, 0] * (np.abs(season_levels[:, -1]) - np.abs(offset))
    is_seasonal = np.isfinite(level) & (seasonal_spread < spread)
    return np.where(is_seasonal, level, centre), np.where(is_seasonal, seasonal_spread, spread)


def time_of_day_level(earlier_days: FloatArray) -> FloatArray:
    """Return the level of a time of day: the median of each row, NaN with samples of fewer than `MIN_DAYS` days.

    `earlier_days` holds, per row, the values at that time and beside it on the days before: three columns a day.
    """
    ordered = np.sort(earlier_days, axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    return np.where(count >= 3 * MIN_DAYS, _quantile(ordered, count, 0.5), np.nan)


def compute_deviations(
    values: OptionalValues, centres: OptionalValues, spreads: OptionalValues, breach: BreachSide
) -> tuple[float | None, ...]:
    """Return each value's distance from its centre in spreads, positive on the breach side, None if unknown."""
    deviations = [
        None if value is None or centre is None or not spread else (value - centre) / spread
        for value, centre, spread in zip(values, centres, spreads, strict=True)
    ]
    if breach is BreachSide.ABOVE:
        return tuple(deviations)
    flip = abs if breach is BreachSide.EITHER else operator.neg
    return tuple(None if deviation is None else flip(deviation) for deviation in deviations)


def _quantile(ordered: FloatArray, count: npt.NDArray[np.int_], fraction: float) -> FloatArray:
    """Return a quantile of the first `count` values of each sorted row, NaN for an empty one."""
    position = fraction * np.maximum(count - 1, 0)
    below = np.floor(position).astype(int)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, below], ordered[rows, np.minimum(below + 1, np.maximum(count - 1, 0))]
    return np.where(count > 0, low + (position - below) * (high - low), np.nan)
