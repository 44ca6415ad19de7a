"""The probability that a metric crosses its limit soon."""

import numpy as np
import pytest

from activities.model.types import FloatArray
from worker.backtest.crossing_model import CrossingModel, compute_covariates, compute_scale, fit_model, predict_crossing

SAMPLES_PER_DAY, HORIZON_SAMPLES = 48, 2


def make_daily_series(days: int, seed: int = 0) -> FloatArray:
    """Return a series with noise and a peak at the same time of every day."""
    times = np.arange(days * SAMPLES_PER_DAY)
    noise = np.random.default_rng(seed).normal(0.0, 0.05, len(times))
    return np.where(times % SAMPLES_PER_DAY == 30, 5.0, 1.0) + noise


def make_no_covariates(values: FloatArray) -> FloatArray:
    """Return the covariates of the only series of a component."""
    return compute_covariates(values[None, :], compute_scale(values[None, :]))


def fit_without_covariates(values: FloatArray) -> CrossingModel | None:
    """Return the model of the only series of a component."""
    return fit_model(values, make_no_covariates(values), SAMPLES_PER_DAY, HORIZON_SAMPLES)


def predict_from_last(model: CrossingModel, values: FloatArray) -> float:
    """Return the probability of a crossing after the last value."""
    return predict_crossing(
        model,
        values,
        compute_covariates(values[None, :], compute_scale(make_daily_series(60)[None, :]))[-1],
        SAMPLES_PER_DAY,
        HORIZON_SAMPLES,
    )


def test_daily_peak_is_predicted() -> None:
    """Just before the time of the peak the probability is high, at another time it is low."""
    model = fit_without_covariates(make_daily_series(60))
    assert model is not None
    later = make_daily_series(70, seed=1)
    before_peak, other_time = (predict_from_last(model, later[: 65 * SAMPLES_PER_DAY + hour]) for hour in (30, 10))
    assert before_peak > 0.3 > 0.1 > other_time


@pytest.mark.parametrize(
    "values",
    [np.array([]), np.full(500, np.nan), np.full(5000, 1.0), np.arange(30.0)],
    ids=["none", "nan", "flat", "short"],
)
def test_series_without_crossings_has_no_model(values: FloatArray) -> None:
    """Without a past, or without a crossing in it, there is no model."""
    assert fit_model(values, np.zeros((len(values), 4)), SAMPLES_PER_DAY, HORIZON_SAMPLES) is None


def test_prediction_depends_on_the_recent_past_only() -> None:
    """Samples older than the features do not change the probability."""
    model = fit_without_covariates(make_daily_series(60))
    assert model is not None
    series = make_daily_series(70, seed=2)
    assert predict_from_last(model, series[-9 * SAMPLES_PER_DAY :]) == pytest.approx(predict_from_last(model, series))


def test_covariates_improve_the_prediction() -> None:
    """A metric that follows another one has a higher probability with covariates than without."""
    generator = np.random.default_rng(3)
    leading = (generator.random(40 * SAMPLES_PER_DAY) < 0.03).astype(float)
    following = np.concatenate([[0.0, 0.0], leading[:-2]])
    lines = np.vstack([leading, following]) + generator.normal(0.0, 0.01, (2, len(leading)))
    covariates = compute_covariates(lines, compute_scale(lines))
    with_covariates, alone = (
        fit_model(lines[1], covariates, SAMPLES_PER_DAY, HORIZON_SAMPLES),
        fit_without_covariates(lines[1]),
    )
    assert with_covariates is not None
    assert alone is not None
    last = int(np.flatnonzero(leading[:-1] == 1.0)[-1])
    series = lines[1][: last + 1]
    probability = predict_crossing(with_covariates, series, covariates[last], SAMPLES_PER_DAY, HORIZON_SAMPLES)
    assert probability > 3.0 * predict_crossing(
        alone, series, make_no_covariates(series)[-1], SAMPLES_PER_DAY, HORIZON_SAMPLES
    )


def test_covariates_are_bounded_and_accept_gaps() -> None:
    """Missing and extreme values of a neighbour give finite covariates."""
    lines = np.array([[1.0, 2.0, np.nan, 1e300], [1.0, 1.0, 1.0, 1.0]])
    covariates = compute_covariates(lines, compute_scale(np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])))
    assert np.isfinite(covariates).all()
    assert np.abs(covariates).max() <= 6.0
