"""How likely a metric is to cross its limit soon."""

import numpy as np
import pytest

from worker.backtest.crossing_model import compute_covariates, compute_scale, fit_model, predict_crossing

SAMPLES_PER_DAY, HORIZON_SAMPLES = 48, 2


def make_daily_series(days, seed=0):
    """Return a series that peaks every day at the same time, with noise."""
    times = np.arange(days * SAMPLES_PER_DAY)
    noise = np.random.default_rng(seed).normal(0.0, 0.05, len(times))
    return np.where(times % SAMPLES_PER_DAY == 30, 5.0, 1.0) + noise


def make_no_covariates(values):
    """Return the company of a series that is its component's only one."""
    return compute_covariates(values[None, :], compute_scale(values[None, :]))


def fit_without_covariates(values):
    """Return the model of a series on its own."""
    return fit_model(values, make_no_covariates(values), SAMPLES_PER_DAY, HORIZON_SAMPLES)


def predict_from_last(model, values):
    """Return its outlook from the last of the values."""
    return predict_crossing(
        model,
        values,
        compute_covariates(values[None, :], compute_scale(make_daily_series(60)[None, :]))[-1],
        SAMPLES_PER_DAY,
        HORIZON_SAMPLES,
    )


def test_a_daily_peak_is_seen_coming():
    """Just before the hour of the peak the probability is high, at another time it is low."""
    model = fit_without_covariates(make_daily_series(60))
    assert model is not None
    ahead = make_daily_series(70, seed=1)
    near, far = (predict_from_last(model, ahead[: 65 * SAMPLES_PER_DAY + hour]) for hour in (30, 10))
    assert near > 0.3 > 0.1 > far


@pytest.mark.parametrize(
    "values",
    [np.array([]), np.full(500, np.nan), np.full(5000, 1.0), np.arange(30.0)],
    ids=["none", "nan", "flat", "short"],
)
def test_nothing_to_learn_is_no_model(values):
    """Without past, or without a crossing in it, nothing is foretold."""
    assert fit_model(values, np.zeros((len(values), 4)), SAMPLES_PER_DAY, HORIZON_SAMPLES) is None


def test_only_the_past_is_asked():
    """The outlook depends on samples up to its instant alone."""
    model = fit_without_covariates(make_daily_series(60))
    assert model is not None
    series = make_daily_series(70, seed=2)
    assert predict_from_last(model, series[-9 * SAMPLES_PER_DAY :]) == pytest.approx(predict_from_last(model, series))


def test_company_warns():
    """A metric that always follows another one is seen coming by it, and less so by itself alone."""
    source = np.random.default_rng(3)
    first = (source.random(40 * SAMPLES_PER_DAY) < 0.03).astype(float)
    then = np.concatenate([[0.0, 0.0], first[:-2]])
    lines = np.vstack([first, then]) + source.normal(0.0, 0.01, (2, len(first)))
    beside = compute_covariates(lines, compute_scale(lines))
    together, by_itself = (
        fit_model(lines[1], beside, SAMPLES_PER_DAY, HORIZON_SAMPLES),
        fit_without_covariates(lines[1]),
    )
    assert together is not None
    assert by_itself is not None
    last = int(np.flatnonzero(first[:-1] == 1.0)[-1])
    series = lines[1][: last + 1]
    warned = predict_crossing(together, series, beside[last], SAMPLES_PER_DAY, HORIZON_SAMPLES)
    assert warned > 3.0 * predict_crossing(
        by_itself, series, make_no_covariates(series)[-1], SAMPLES_PER_DAY, HORIZON_SAMPLES
    )


def test_company_is_bounded_and_survives_gaps():
    """Missing and wild values of a neighbour say little, never NaN."""
    lines = np.array([[1.0, 2.0, np.nan, 1e300], [1.0, 1.0, 1.0, 1.0]])
    found = compute_covariates(lines, compute_scale(np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])))
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 6.0
