"""How likely a metric is to cross its limit soon: logistic regression on lags, trend, time of day and company.

Advice for people: nothing acts upon it. What a model learns from, and what it is asked with, is the past only.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from activities.analyze.learning.logistic import Table, fitted, probability

HORIZON = 1800.0
"""Seconds ahead a crossing is looked for."""
QUANTILE = 0.99
"""Share of the past below the limit of a metric without a hand-set one."""
DAYS = 7
"""Days a time of day is looked up on."""
FEWEST = 20
"""Instants before a crossing without which there is nothing to learn."""

_LAGS = (0, 1, 2, 3, 6, 12)
_WINDOWS = (6, 12, 48)
_TREND = 12
_RIDGE = 10.0
"""In a thousand outcomes a weight of 1 spread is free, in ten it is not; a third or three times it changes little."""
_REACH = 6.0
"""Features are clipped at this many of their spreads: one wild sample must not decide."""


class Scale(NamedTuple):
    """How the metrics of one component are brought on one scale: the limit and the spread of each."""

    limits: Table
    spreads: Table


class Model(NamedTuple):
    """What was learned of one series: its limit, how features are scaled, and their weights."""

    limit: float
    centre: Table
    spread: Table
    weights: Table


def scale_of(lines: Table) -> Scale:
    """Return the scale of a component from the past of its metrics, one row each."""
    return Scale(np.nanquantile(lines, QUANTILE, axis=1), np.nanstd(lines, axis=1) + 1e-9)


def company(lines: Table, scale: Scale) -> Table:
    """Return what the metrics of a component, a row each, tell together: one row an instant.

    How far the worst and the average one are above their limits, and what share of them is, now and an instant before.
    A trouble that comes shows in some metrics before it shows in the others.
    """
    above = (lines - scale.limits[:, None]) / scale.spreads[:, None]
    above = np.clip(np.nan_to_num(above, nan=-_REACH), -_REACH, _REACH)
    beyond = (above > 0).mean(axis=0)
    return np.column_stack([above.max(axis=0), above.mean(axis=0), beyond, np.concatenate([beyond[:1], beyond[:-1]])])


def learn(values: Table, beside: Table, day: int, ahead: int) -> Model | None:
    """Return the model of a series, None if it has too little past or hardly ever crosses its limit.

    `values` are evenly spaced, the oldest first, NaN carried forward by the caller; `beside` is the `company` of its
    component at the same instants; `day` and `ahead` are samples.
    """
    first = max(day, _WINDOWS[-1])
    instants = np.arange(first, len(values) - ahead)
    if len(instants) == 0 or not np.isfinite(values).any():
        return None
    limit = float(np.nanquantile(values, QUANTILE))
    future = np.lib.stride_tricks.sliding_window_view(values[1:], ahead).max(axis=1)[instants]
    usable = (values[instants] <= limit) & np.isfinite(future)
    instants, crossed = instants[usable], (future[usable] > limit).astype(float)
    if crossed.sum() < FEWEST or crossed.min() == 1.0:
        return None
    table = np.column_stack([features(values, instants, limit, day, ahead), beside[instants]])
    centre, spread = table.mean(axis=0), table.std(axis=0) + 1e-9
    scaled = np.clip((table - centre) / spread, -_REACH, _REACH)
    return Model(limit, centre, spread, fitted(scaled, crossed, np.ones(len(crossed)), _RIDGE))


def outlook(model: Model, values: Table, beside: Table, day: int, ahead: int) -> float:
    """Return the probability, 0 to 1, that the series crosses its limit within `ahead` samples from its last.

    `beside` is the last row of its `company`.
    """
    own = features(values, np.array([len(values) - 1]), model.limit, day, ahead)
    table = np.column_stack([own, beside[None, :]])
    scaled = np.clip((table - model.centre) / model.spread, -_REACH, _REACH)
    return float(probability(model.weights[0] + scaled @ model.weights[1:])[0])


def features(values: Table, instants: npt.NDArray[np.int_], limit: float, day: int, ahead: int) -> Table:
    """Return one row an instant: values, windows and trend relative to the limit, and that time on earlier days."""
    above = values - limit
    over = (values > limit).astype(float)
    columns = [above[instants - lag] for lag in _LAGS]
    for width in _WINDOWS:
        window = above[instants[:, None] - np.arange(width)]
        columns += [window.mean(axis=1), window.std(axis=1), window.max(axis=1)]
    columns.append(_trend(above, instants, ahead))
    columns += _yesterday(above, instants, day, ahead)
    columns.append(_same_time(over, instants, day, ahead))
    sums = np.concatenate([[0.0], np.cumsum(over)])
    columns += [(sums[instants + 1] - sums[instants + 1 - width]) / width for width in (_TREND, _WINDOWS[-1], day)]
    return np.nan_to_num(np.column_stack(columns))


def _trend(above: Table, instants: npt.NDArray[np.int_], ahead: int) -> Table:
    """Return where a straight line through the last samples leads, in spreads around it, as a signed logarithm."""
    window = above[instants[:, None] - np.arange(_TREND - 1, -1, -1)]
    places = np.arange(_TREND) - (_TREND - 1) / 2
    mean, slope = window.mean(axis=1), window @ places / (places @ places)
    rest = window - mean[:, None] - slope[:, None] * places
    reach = (_TREND - 1) / 2 + np.where(slope > 0, ahead, 1)
    score = (mean + slope * reach) / (np.sqrt((rest**2).sum(axis=1) / (_TREND - 2)) + 1e-6)
    signed: Table = np.sign(score) * np.log1p(np.minimum(np.abs(score), 1e6))
    return signed


def _yesterday(above: Table, instants: npt.NDArray[np.int_], day: int, ahead: int) -> list[Table]:
    """Return the value one day ago, and the highest one of the time after it that lies ahead today."""
    before = instants - day
    return [above[before], above[before[:, None] + np.arange(ahead + 1)].max(axis=1)]


def _same_time(over: Table, instants: npt.NDArray[np.int_], day: int, ahead: int) -> Table:
    """Return the share of earlier days on which the limit was crossed around the time that lies ahead."""
    around = np.arange(-1, ahead + 2)
    found, known = np.zeros(len(instants)), np.zeros(len(instants))
    for back in range(1, DAYS + 1):
        first = instants - back * day - 1
        there = first >= 0
        found[there] += over[first[there][:, None] + 1 + around].max(axis=1)
        known[there] += 1
    return found / np.maximum(known, 1)
