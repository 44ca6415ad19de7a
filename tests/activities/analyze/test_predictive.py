"""How likely a metric is to cross its limit soon."""

import numpy as np
import pytest

from activities.analyze.patterns.predictive import company, learn, outlook, scale_of

DAY, AHEAD = 48, 2


def rhythm(days, seed=0):
    """Return a series that peaks every day at the same time, with noise."""
    times = np.arange(days * DAY)
    noise = np.random.default_rng(seed).normal(0.0, 0.05, len(times))
    return np.where(times % DAY == 30, 5.0, 1.0) + noise


def alone(values):
    """Return the company of a series that is its component's only one."""
    return company(values[None, :], scale_of(values[None, :]))


def learned(values):
    """Return the model of a series on its own."""
    return learn(values, alone(values), DAY, AHEAD)


def asked(model, values):
    """Return its outlook from the last of the values."""
    return outlook(model, values, company(values[None, :], scale_of(rhythm(60)[None, :]))[-1], DAY, AHEAD)


def test_a_daily_peak_is_seen_coming():
    """Just before the hour of the peak the probability is high, at another time it is low."""
    model = learned(rhythm(60))
    assert model is not None
    ahead = rhythm(70, seed=1)
    near, far = (asked(model, ahead[: 65 * DAY + hour]) for hour in (30, 10))
    assert near > 0.3 > 0.1 > far


@pytest.mark.parametrize(
    "values",
    [np.array([]), np.full(500, np.nan), np.full(5000, 1.0), np.arange(30.0)],
    ids=["none", "nan", "flat", "short"],
)
def test_nothing_to_learn_is_no_model(values):
    """Without past, or without a crossing in it, nothing is foretold."""
    assert learn(values, np.zeros((len(values), 4)), DAY, AHEAD) is None


def test_only_the_past_is_asked():
    """The outlook depends on samples up to its instant alone."""
    model = learned(rhythm(60))
    assert model is not None
    series = rhythm(70, seed=2)
    assert asked(model, series[-9 * DAY :]) == pytest.approx(asked(model, series))


def test_company_warns():
    """A metric that always follows another one is seen coming by it, and less so by itself alone."""
    source = np.random.default_rng(3)
    first = (source.random(40 * DAY) < 0.03).astype(float)
    then = np.concatenate([[0.0, 0.0], first[:-2]])
    lines = np.vstack([first, then]) + source.normal(0.0, 0.01, (2, len(first)))
    beside = company(lines, scale_of(lines))
    together, by_itself = learn(lines[1], beside, DAY, AHEAD), learned(lines[1])
    assert together is not None
    assert by_itself is not None
    last = int(np.flatnonzero(first[:-1] == 1.0)[-1])
    series = lines[1][: last + 1]
    warned = outlook(together, series, beside[last], DAY, AHEAD)
    assert warned > 3.0 * outlook(by_itself, series, alone(series)[-1], DAY, AHEAD)


def test_company_is_bounded_and_survives_gaps():
    """Missing and wild values of a neighbour say little, never NaN."""
    lines = np.array([[1.0, 2.0, np.nan, 1e300], [1.0, 1.0, 1.0, 1.0]])
    found = company(lines, scale_of(np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]])))
    assert np.isfinite(found).all()
    assert np.abs(found).max() <= 6.0
