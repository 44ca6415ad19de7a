"""The probability that a metric crosses its limit soon: logistic regression on lags, trend, time of day and covariates.

It is advisory: nothing acts on it. A model learns from the past only.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from activities.analyze.learning.logistic import fit_logistic, sigmoid
from activities.model.types import FloatArray
from activities.monitor.baseline import SEASONAL_DAYS

HORIZON_SECONDS = 1800.0
"""Seconds ahead in which a crossing is predicted."""
LIMIT_QUANTILE = 0.99
"""Share of past values below the limit of a metric without a hand-set one."""
MIN_POSITIVE_SAMPLES = 20
"""Fewest instants before a crossing from which a model is learned."""

_LAG_SAMPLES = (0, 1, 2, 3, 6, 12)
_WINDOW_SAMPLES = (6, 12, 48)
_TREND_SAMPLES = 12
_RIDGE_PENALTY = 10.0
"""Penalty on the weights; a third of it or three times it changes little."""
_MAX_FEATURE_SPREADS = 6.0
"""Spreads at which features are clipped: one extreme sample must not decide."""


class ComponentScale(NamedTuple):
    """The limits and spreads that bring the metrics of one component to one scale."""

    limits: FloatArray
    spreads: FloatArray


class CrossingModel(NamedTuple):
    """The model of one series: its limit, and centre, spread and weights of its features."""

    limit: float
    centre: FloatArray
    spread: FloatArray
    weights: FloatArray


def compute_scale(series: FloatArray) -> ComponentScale:
    """Return the scale of a component from the past of its metrics, one row each."""
    return ComponentScale(np.nanquantile(series, LIMIT_QUANTILE, axis=1), np.nanstd(series, axis=1) + 1e-9)


def compute_covariates(series: FloatArray, scale: ComponentScale) -> FloatArray:
    """Return the covariates of a component with one metric a row: one row an instant.

    They are the highest and the mean excess over the limits, and the share of metrics above their limit, now and one
    instant before. An incident often appears in some metrics before others.
    """
    above = (series - scale.limits[:, None]) / scale.spreads[:, None]
    above = np.clip(np.nan_to_num(above, nan=-_MAX_FEATURE_SPREADS), -_MAX_FEATURE_SPREADS, _MAX_FEATURE_SPREADS)
    beyond = (above > 0).mean(axis=0)
    return np.column_stack([above.max(axis=0), above.mean(axis=0), beyond, np.concatenate([beyond[:1], beyond[:-1]])])


def fit_model(
    values: FloatArray, covariates: FloatArray, day_samples: int, horizon_samples: int
) -> CrossingModel | None:
    """Return the model of a series, None with too little past or too few crossings.

    `values` are evenly spaced, the oldest first; the caller has filled gaps. `covariates` are those of its component at
    the same instants.
    """
    first = max(day_samples, _WINDOW_SAMPLES[-1])
    instants = np.arange(first, len(values) - horizon_samples)
    if len(instants) == 0 or not np.isfinite(values).any():
        return None
    limit = float(np.nanquantile(values, LIMIT_QUANTILE))
    future = np.lib.stride_tricks.sliding_window_view(values[1:], horizon_samples).max(axis=1)[instants]
    usable = (values[instants] <= limit) & np.isfinite(future)
    instants, crossed = instants[usable], (future[usable] > limit).astype(float)
    if crossed.sum() < MIN_POSITIVE_SAMPLES or crossed.min() == 1.0:
        return None
    table = np.column_stack(
        [compute_features(values, instants, limit, day_samples, horizon_samples), covariates[instants]]
    )
    centre, spread = table.mean(axis=0), table.std(axis=0) + 1e-9
    scaled = np.clip((table - centre) / spread, -_MAX_FEATURE_SPREADS, _MAX_FEATURE_SPREADS)
    return CrossingModel(limit, centre, spread, fit_logistic(scaled, crossed, np.ones(len(crossed)), _RIDGE_PENALTY))


def predict_crossing(
    model: CrossingModel, values: FloatArray, covariates: FloatArray, day_samples: int, horizon_samples: int
) -> float:
    """Return the probability, 0 to 1, that the series crosses its limit within `horizon_samples` after its last one.

    `covariates` is the last row of its component's covariates.
    """
    features = compute_features(values, np.array([len(values) - 1]), model.limit, day_samples, horizon_samples)
    table = np.column_stack([features, covariates[None, :]])
    scaled = np.clip((table - model.centre) / model.spread, -_MAX_FEATURE_SPREADS, _MAX_FEATURE_SPREADS)
    return float(sigmoid(model.weights[0] + scaled @ model.weights[1:])[0])


def compute_features(
    values: FloatArray, instants: npt.NDArray[np.int_], limit: float, day_samples: int, horizon_samples: int
) -> FloatArray:
    """Return one row an instant: values, windows and trend relative to the limit, and that time on earlier days."""
    above = values - limit
    over = (values > limit).astype(float)
    columns = [above[instants - lag] for lag in _LAG_SAMPLES]
    for width in _WINDOW_SAMPLES:
        window = above[instants[:, None] - np.arange(width)]
        columns += [window.mean(axis=1), window.std(axis=1), window.max(axis=1)]
    columns.append(_trend_scores(above, instants, horizon_samples))
    columns += _yesterday_features(above, instants, day_samples, horizon_samples)
    columns.append(_seasonal_breach_share(over, instants, day_samples, horizon_samples))
    sums = np.concatenate([[0.0], np.cumsum(over)])
    columns += [
        (sums[instants + 1] - sums[instants + 1 - width]) / width
        for width in (_TREND_SAMPLES, _WINDOW_SAMPLES[-1], day_samples)
    ]
    return np.nan_to_num(np.column_stack(columns))


def _trend_scores(excess: FloatArray, instants: npt.NDArray[np.int_], horizon_samples: int) -> FloatArray:
    """Return the value of a line through the last samples at the horizon, in spreads, as a signed logarithm."""
    window = excess[instants[:, None] - np.arange(_TREND_SAMPLES - 1, -1, -1)]
    offsets = np.arange(_TREND_SAMPLES) - (_TREND_SAMPLES - 1) / 2
    mean, slope = window.mean(axis=1), window @ offsets / (offsets @ offsets)
    residual = window - mean[:, None] - slope[:, None] * offsets
    distance = (_TREND_SAMPLES - 1) / 2 + np.where(slope > 0, horizon_samples, 1)
    score = (mean + slope * distance) / (np.sqrt((residual**2).sum(axis=1) / (_TREND_SAMPLES - 2)) + 1e-6)
    signed: FloatArray = np.sign(score) * np.log1p(np.minimum(np.abs(score), 1e6))
    return signed


def _yesterday_features(
    excess: FloatArray, instants: npt.NDArray[np.int_], day_samples: int, horizon_samples: int
) -> list[FloatArray]:
    """Return the value one day ago, and the highest one of the horizon after it."""
    day_ago = instants - day_samples
    return [excess[day_ago], excess[day_ago[:, None] + np.arange(horizon_samples + 1)].max(axis=1)]


def _seasonal_breach_share(
    is_breached: FloatArray, instants: npt.NDArray[np.int_], day_samples: int, horizon_samples: int
) -> FloatArray:
    """Return the share of earlier days with a crossing around the horizon's time of day."""
    around = np.arange(-1, horizon_samples + 2)
    breached_days, known_days = np.zeros(len(instants)), np.zeros(len(instants))
    for days in range(1, SEASONAL_DAYS + 1):
        first = instants - days * day_samples - 1
        is_known = first >= 0
        breached_days[is_known] += is_breached[first[is_known][:, None] + 1 + around].max(axis=1)
        known_days[is_known] += 1
    return breached_days / np.maximum(known_days, 1)
