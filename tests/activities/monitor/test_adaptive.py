"""What is usual for a metric without a hand-set limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.violation import Bad
from activities.monitor.adaptive import PAST, WARM_UP, deviations, floor_of, seasonal, time_of_day, usual

UNKNOWN = np.array([floor_of("", "")])
SECONDS = np.array([floor_of("seconds", "latency")])
SHARE = np.array([floor_of("percent", "availability")])
levels = st.floats(0.5, 1e6)


def deviated(value, centre, spread, bad):
    """Return the deviation of one value."""
    return deviations([value], [centre], [spread], bad)[0]


def past(*values):
    """Return one row that ends with these values."""
    return np.array([[*([np.nan] * (PAST - len(values))), *values]])


@pytest.mark.parametrize(("count", "known"), [(0, False), (WARM_UP - 1, False), (WARM_UP, True), (PAST, True)])
def test_too_little_past_tells_nothing(count, known):
    """Nothing is usual before there are `WARM_UP` samples."""
    centre, spread = usual(past(*[3.0] * count), UNKNOWN)
    assert np.isfinite(centre[0]) == np.isfinite(spread[0]) == known


@given(level=levels, seed=st.integers(0, 999))
def test_normal_noise_has_its_own_spread(level, seed):
    """The spread of a normal sample is its standard deviations, plus the floor."""
    noise = np.random.default_rng(seed).normal(level, level / 10, PAST)
    centre, spread = usual(past(*noise), SECONDS)
    assert centre[0] == pytest.approx(level, rel=0.05)
    assert spread[0] - 0.05 * centre[0] - 0.0005 == pytest.approx(level / 10, rel=0.35)


@given(level=levels, wild=st.floats(1e3, 1e9))
def test_an_incident_in_the_past_hardly_moves_the_limit(level, wild):
    """Up to one sample in twenty may be anything: centre and spread stay."""
    calm = [level, level * 1.01] * (PAST // 2)
    hit = [*calm[:-5], *[level + wild] * 5]
    (before, narrow), (after, wide) = usual(past(*calm), UNKNOWN), usual(past(*hit), UNKNOWN)
    assert after[0] == pytest.approx(before[0], rel=0.02)
    assert wide[0] <= 2.0 * narrow[0] + 0.05 * wild


@given(scale=st.floats(1e-3, 1e6), seed=st.integers(0, 99))
def test_units_do_not_matter(scale, seed):
    """A deviation is the same in milliseconds and in seconds where the unit is unknown."""
    values = np.random.default_rng(seed).gamma(2.0, 3.0, PAST)
    (one, narrow), (other, wide) = usual(past(*values), UNKNOWN), usual(past(*(scale * values)), UNKNOWN)
    first = deviated(50.0, float(one[0]), float(narrow[0]), Bad.ABOVE)
    assert deviated(50.0 * scale, float(other[0]), float(wide[0]), Bad.ABOVE) == pytest.approx(first, rel=1e-6)


@pytest.mark.parametrize(
    ("floors", "flat", "floor"),
    [(SHARE, 100.0, 0.5), (SECONDS, 0.2, 0.0105), (UNKNOWN, 10.0, 1.0), (UNKNOWN, 0.0, 1.0)],
)
def test_a_flat_series_has_a_floor(floors, flat, floor):
    """By unit; an availability never by its level; an unknown unit by its height, and 1 if it was always 0."""
    assert usual(past(*[flat] * PAST), floors)[1][0] == pytest.approx(floor)


@pytest.mark.parametrize(
    ("bad", "expected"), [(Bad.ABOVE, (3.0, -3.0)), (Bad.BELOW, (-3.0, 3.0)), (Bad.EITHER, (3.0, 3.0))]
)
def test_only_the_bad_direction_counts(bad, expected):
    """One-sided by the metric's bad direction."""
    assert (deviated(16.0, 10.0, 2.0, bad), deviated(4.0, 10.0, 2.0, bad)) == expected


def test_a_time_of_day_needs_days():
    """Two days of a time of day are too few; three give the median."""
    two = np.array([[1.0, 2.0, 3.0] * 2 + [np.nan] * 3])
    three = np.array([[1.0, 2.0, 3.0] * 3])
    assert np.isnan(time_of_day(two)[0])
    assert time_of_day(three)[0] == 2.0


def test_a_daily_rhythm_narrows_the_limit():
    """Where the distance to the season varies less than the values, the season is the centre."""
    times = np.arange(PAST + 1)
    season = (100.0 + 50.0 * np.sin(times / 8.0))[None, :]
    centre, spread = seasonal(season[:, :-1] + 0.1, season, UNKNOWN)
    plain = usual(season[:, :-1] + 0.1, UNKNOWN)
    assert centre[0] == pytest.approx(season[0, -1] + 0.1)
    assert spread[0] < plain[1][0]


def test_an_unknown_season_changes_nothing():
    """Without days there is no time of day, and the plain limit holds."""
    values = past(*np.arange(1.0, PAST + 1))
    assert seasonal(values, np.full((1, PAST + 1), np.nan), UNKNOWN) == usual(values, UNKNOWN)
