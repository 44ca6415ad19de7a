"""How likely a metric is to cross its limit soon."""

import numpy as np
import pytest

from activities.analyze.predictive import learn, outlook

DAY, AHEAD = 48, 2


def rhythm(days, seed=0):
    """Return a series that peaks every day at the same time, with noise."""
    times = np.arange(days * DAY)
    noise = np.random.default_rng(seed).normal(0.0, 0.05, len(times))
    return np.where(times % DAY == 30, 5.0, 1.0) + noise


def test_a_daily_peak_is_seen_coming():
    """Just before the hour of the peak the probability is high, at another time it is low."""
    model = learn(rhythm(60), DAY, AHEAD)
    assert model is not None
    ahead = rhythm(70, seed=1)
    near, far = (outlook(model, ahead[: 65 * DAY + hour], DAY, AHEAD) for hour in (30, 10))
    assert near > 0.3 > 0.1 > far


@pytest.mark.parametrize(
    "values",
    [np.array([]), np.full(500, np.nan), np.full(5000, 1.0), np.arange(30.0)],
    ids=["none", "nan", "flat", "short"],
)
def test_nothing_to_learn_is_no_model(values):
    """Without past, or without a crossing in it, nothing is foretold."""
    assert learn(values, DAY, AHEAD) is None


def test_only_the_past_is_asked():
    """The outlook depends on samples up to its instant alone."""
    model = learn(rhythm(60), DAY, AHEAD)
    assert model is not None
    series = rhythm(70, seed=2)
    assert outlook(model, series[-9 * DAY :], DAY, AHEAD) == pytest.approx(outlook(model, series, DAY, AHEAD))
