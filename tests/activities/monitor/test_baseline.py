"""What is usual for a metric without a hand-set limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.violation import BreachSide
from activities.monitor.baseline import (
    LEARNING_SAMPLES,
    MIN_LEARNING_SAMPLES,
    compute_baseline,
    compute_deviations,
    compute_seasonal_baseline,
    spread_floor,
    time_of_day_level,
)

UNKNOWN_FLOOR = np.array([spread_floor("", "")])
SECONDS_FLOOR = np.array([spread_floor("seconds", "latency")])
PERCENT_FLOOR = np.array([spread_floor("percent", "availability")])
levels = st.floats(0.5, 1e6)


def compute_deviation(value, centre, spread, breach):
    """Return the deviation of one value."""
    return compute_deviations([value], [centre], [spread], breach)[0]


def make_row(*values):
    """Return one row that ends with these values."""
    return np.array([[*([np.nan] * (LEARNING_SAMPLES - len(values))), *values]])


@pytest.mark.parametrize(
    ("count", "known"),
    [(0, False), (MIN_LEARNING_SAMPLES - 1, False), (MIN_LEARNING_SAMPLES, True), (LEARNING_SAMPLES, True)],
)
def test_too_little_past_tells_nothing(count, known):
    """Nothing is usual before there are `WARM_UP` samples."""
    centre, spread = compute_baseline(make_row(*[3.0] * count), UNKNOWN_FLOOR)
    assert np.isfinite(centre[0]) == np.isfinite(spread[0]) == known


@given(level=levels, seed=st.integers(0, 999))
def test_normal_noise_has_its_own_spread(level, seed):
    """The spread of a normal sample is its standard deviations, plus the floor."""
    noise = np.random.default_rng(seed).normal(level, level / 10, LEARNING_SAMPLES)
    centre, spread = compute_baseline(make_row(*noise), SECONDS_FLOOR)
    assert centre[0] == pytest.approx(level, rel=0.05)
    assert spread[0] - 0.05 * centre[0] - 0.0005 == pytest.approx(level / 10, rel=0.35)


@given(level=levels, wild=st.floats(1e3, 1e9))
def test_an_incident_in_the_past_hardly_moves_the_limit(level, wild):
    """Up to one sample in twenty may be anything: centre and spread stay."""
    calm = [level, level * 1.01] * (LEARNING_SAMPLES // 2)
    hit = [*calm[:-5], *[level + wild] * 5]
    (before, narrow), (after, wide) = (
        compute_baseline(make_row(*calm), UNKNOWN_FLOOR),
        compute_baseline(make_row(*hit), UNKNOWN_FLOOR),
    )
    assert after[0] == pytest.approx(before[0], rel=0.02)
    assert wide[0] <= 2.0 * narrow[0] + 0.05 * wild


@given(scale=st.floats(1e-3, 1e6), seed=st.integers(0, 99))
def test_units_do_not_matter(scale, seed):
    """A deviation is the same in milliseconds and in seconds where the unit is unknown."""
    values = np.random.default_rng(seed).gamma(2.0, 3.0, LEARNING_SAMPLES)
    (one, narrow), (other, wide) = (
        compute_baseline(make_row(*values), UNKNOWN_FLOOR),
        compute_baseline(make_row(*(scale * values)), UNKNOWN_FLOOR),
    )
    first = compute_deviation(50.0, float(one[0]), float(narrow[0]), BreachSide.ABOVE)
    assert compute_deviation(50.0 * scale, float(other[0]), float(wide[0]), BreachSide.ABOVE) == pytest.approx(
        first, rel=1e-6
    )


@pytest.mark.parametrize(
    ("floors", "flat", "floor"),
    [(PERCENT_FLOOR, 100.0, 0.5), (SECONDS_FLOOR, 0.2, 0.0105), (UNKNOWN_FLOOR, 10.0, 1.0), (UNKNOWN_FLOOR, 0.0, 1.0)],
)
def test_a_flat_series_has_a_floor(floors, flat, floor):
    """By unit; an availability never by its level; an unknown unit by its height, and 1 if it was always 0."""
    assert compute_baseline(make_row(*[flat] * LEARNING_SAMPLES), floors)[1][0] == pytest.approx(floor)


@pytest.mark.parametrize(
    ("bad", "expected"),
    [(BreachSide.ABOVE, (3.0, -3.0)), (BreachSide.BELOW, (-3.0, 3.0)), (BreachSide.EITHER, (3.0, 3.0))],
)
def test_only_the_bad_direction_counts(bad, expected):
    """One-sided by the metric's bad direction."""
    assert (compute_deviation(16.0, 10.0, 2.0, bad), compute_deviation(4.0, 10.0, 2.0, bad)) == expected


def test_a_time_of_day_needs_days():
    """Two days of a time of day are too few; three give the median."""
    two = np.array([[1.0, 2.0, 3.0] * 2 + [np.nan] * 3])
    three = np.array([[1.0, 2.0, 3.0] * 3])
    assert np.isnan(time_of_day_level(two)[0])
    assert time_of_day_level(three)[0] == 2.0


def test_a_daily_rhythm_narrows_the_limit():
    """Where the distance to the season varies less than the values, the season is the centre."""
    times = np.arange(LEARNING_SAMPLES + 1)
    season = (100.0 + 50.0 * np.sin(times / 8.0))[None, :]
    centre, spread = compute_seasonal_baseline(season[:, :-1] + 0.1, season, UNKNOWN_FLOOR)
    plain = compute_baseline(season[:, :-1] + 0.1, UNKNOWN_FLOOR)
    assert centre[0] == pytest.approx(season[0, -1] + 0.1)
    assert spread[0] < plain[1][0]


def test_an_unknown_season_changes_nothing():
    """Without days there is no time of day, and the plain limit holds."""
    values = make_row(*np.arange(1.0, LEARNING_SAMPLES + 1))
    assert compute_seasonal_baseline(
        values, np.full((1, LEARNING_SAMPLES + 1), np.nan), UNKNOWN_FLOOR
    ) == compute_baseline(values, UNKNOWN_FLOOR)
