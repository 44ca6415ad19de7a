"""The baseline of a metric without a hand-set limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.model.types import FloatArray
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


def compute_deviation(value: float, centre: float, spread: float, breach: BreachSide) -> float:
    """Return the deviation of one value."""
    (deviation,) = compute_deviations([value], [centre], [spread], breach)
    assert deviation is not None
    return deviation


def make_row(*values: float) -> FloatArray:
    """Return one row that ends with these values."""
    return np.array([[*([np.nan] * (LEARNING_SAMPLES - len(values))), *values]])


@pytest.mark.parametrize(
    ("count", "known"),
    [(0, False), (MIN_LEARNING_SAMPLES - 1, False), (MIN_LEARNING_SAMPLES, True), (LEARNING_SAMPLES, True)],
)
def test_short_history_has_no_baseline(count: int, known: bool) -> None:
    """With fewer than `MIN_LEARNING_SAMPLES` samples centre and spread are NaN."""
    centre, spread = compute_baseline(make_row(*[3.0] * count), UNKNOWN_FLOOR)
    assert np.isfinite(centre[0]) == np.isfinite(spread[0]) == known


@given(level=levels, seed=st.integers(0, 999))
def test_normal_noise_has_its_standard_deviation_as_spread(level: float, seed: int) -> None:
    """The spread of a normal sample is its standard deviation plus the floor."""
    noise = np.random.default_rng(seed).normal(level, level / 10, LEARNING_SAMPLES)
    centre, spread = compute_baseline(make_row(*noise), SECONDS_FLOOR)
    assert centre[0] == pytest.approx(level, rel=0.05)
    assert spread[0] - 0.05 * centre[0] - 0.0005 == pytest.approx(level / 10, rel=0.35)


@given(level=levels, excess=st.floats(1e3, 1e9))
def test_past_incident_hardly_changes_the_baseline(level: float, excess: float) -> None:
    """Up to one sample in twenty may have any value: centre and spread hardly change."""
    quiet = [level, level * 1.01] * (LEARNING_SAMPLES // 2)
    with_incident = [*quiet[:-5], *[level + excess] * 5]
    (centre, spread), (incident_centre, incident_spread) = (
        compute_baseline(make_row(*quiet), UNKNOWN_FLOOR),
        compute_baseline(make_row(*with_incident), UNKNOWN_FLOOR),
    )
    assert incident_centre[0] == pytest.approx(centre[0], rel=0.02)
    assert incident_spread[0] <= 2.0 * spread[0] + 0.05 * excess


@given(scale=st.floats(1e-3, 1e6), seed=st.integers(0, 99))
def test_deviation_does_not_depend_on_an_unknown_unit(scale: float, seed: int) -> None:
    """A deviation is equal in milliseconds and in seconds if the unit is unknown."""
    values = np.random.default_rng(seed).gamma(2.0, 3.0, LEARNING_SAMPLES)
    (centre, spread), (scaled_centre, scaled_spread) = (
        compute_baseline(make_row(*values), UNKNOWN_FLOOR),
        compute_baseline(make_row(*(scale * values)), UNKNOWN_FLOOR),
    )
    deviation = compute_deviation(50.0, float(centre[0]), float(spread[0]), BreachSide.ABOVE)
    scaled = compute_deviation(50.0 * scale, float(scaled_centre[0]), float(scaled_spread[0]), BreachSide.ABOVE)
    assert scaled == pytest.approx(deviation, rel=1e-6)


@pytest.mark.parametrize(
    ("floors", "level", "floor"),
    [(PERCENT_FLOOR, 100.0, 0.5), (SECONDS_FLOOR, 0.2, 0.0105), (UNKNOWN_FLOOR, 10.0, 1.0), (UNKNOWN_FLOOR, 0.0, 1.0)],
)
def test_flat_series_has_a_floor(floors: FloatArray, level: float, floor: float) -> None:
    """The floor follows from the unit; for an unknown unit from the height, 1 for a series of zeros."""
    assert compute_baseline(make_row(*[level] * LEARNING_SAMPLES), floors)[1][0] == pytest.approx(floor)


@pytest.mark.parametrize(
    ("breach", "expected"),
    [(BreachSide.ABOVE, (3.0, -3.0)), (BreachSide.BELOW, (-3.0, 3.0)), (BreachSide.EITHER, (3.0, 3.0))],
)
def test_deviation_is_positive_on_the_breach_side(breach: BreachSide, expected: tuple[float, float]) -> None:
    """The sign follows from the metric's breach side."""
    assert (compute_deviation(16.0, 10.0, 2.0, breach), compute_deviation(4.0, 10.0, 2.0, breach)) == expected


def test_time_of_day_level_needs_three_days() -> None:
    """Two days give no level; three give the median."""
    two_days = np.array([[1.0, 2.0, 3.0] * 2 + [np.nan] * 3])
    three_days = np.array([[1.0, 2.0, 3.0] * 3])
    assert np.isnan(time_of_day_level(two_days)[0])
    assert time_of_day_level(three_days)[0] == 2.0


def test_daily_rhythm_narrows_the_spread() -> None:
    """Where the distances to the season have a smaller spread than the values, the season is the centre."""
    times = np.arange(LEARNING_SAMPLES + 1)
    season = (100.0 + 50.0 * np.sin(times / 8.0))[None, :]
    centre, spread = compute_seasonal_baseline(season[:, :-1] + 0.1, season, UNKNOWN_FLOOR)
    _, plain_spread = compute_baseline(season[:, :-1] + 0.1, UNKNOWN_FLOOR)
    assert centre[0] == pytest.approx(season[0, -1] + 0.1)
    assert spread[0] < plain_spread[0]


def test_unknown_season_keeps_the_plain_baseline() -> None:
    """Without earlier days the plain baseline is returned."""
    values = make_row(*np.arange(1.0, LEARNING_SAMPLES + 1))
    assert compute_seasonal_baseline(
        values, np.full((1, LEARNING_SAMPLES + 1), np.nan), UNKNOWN_FLOOR
    ) == compute_baseline(values, UNKNOWN_FLOOR)
