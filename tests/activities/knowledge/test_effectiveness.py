"""The estimated effectiveness of an action."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.effectiveness import estimate_effectiveness, prior_effectiveness
from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import ActionStats

SETTINGS = KnowledgeSettings()


def make_stats(count: int, total: float, action: ActionType = ActionType.SCALE_UP) -> ActionStats:
    """Return the stats of `count` outcomes with the sum `total`."""
    return ActionStats(action=action, cause=Cause.OVERLOAD, count=count, total=total)


@pytest.mark.parametrize("action", ActionType)
def test_without_outcomes_the_prior_is_used(action: ActionType) -> None:
    """The priors are the documented ones."""
    priors = {ActionType.SCALE_UP: 0.8, ActionType.RESTART_SERVICE: 0.75, ActionType.BYPASS_VALIDATION: 0.5}
    assert prior_effectiveness(action) == priors.get(action, 0.6)
    assert estimate_effectiveness(make_stats(0, 0.0, action), SETTINGS) == prior_effectiveness(action)


@pytest.mark.parametrize(
    ("count", "total", "expected"),
    [(15, 0.0, 0.4), (15, 15.0, 0.9), (30, 30.0, 1.0), (30, 0.0, 0.0), (300, 150.0, 0.5), (3, 1.5, 0.77)],
)
def test_the_mean_is_shrunk_towards_the_prior(count: int, total: float, expected: float) -> None:
    """w·mean + (1 − w)·prior with w = min(1, n/30): the number of samples changes only the weight."""
    assert estimate_effectiveness(make_stats(count, total), SETTINGS) == pytest.approx(expected)


def test_saturation_is_a_setting() -> None:
    """With a saturation point of 10, the mean of ten outcomes counts alone."""
    assert estimate_effectiveness(
        make_stats(10, 5.0), KnowledgeSettings(confidence_saturation_point=10)
    ) == pytest.approx(0.5)


def test_learning_can_be_disabled() -> None:
    """Without learning only the prior is used."""
    assert estimate_effectiveness(make_stats(1000, 0.0), KnowledgeSettings(pattern_learning_enabled=False)) == 0.8


@given(st.integers(1, 200), st.floats(0, 1), st.floats(0, 1))
def test_the_estimate_is_between_mean_and_prior_and_rises_with_the_mean(count: int, a: float, b: float) -> None:
    """Better outcomes never lower the estimate, and it never leaves [mean, prior]."""
    low, high = sorted((a, b))
    worse, better = (estimate_effectiveness(make_stats(count, mean * count), SETTINGS) for mean in (low, high))
    assert worse <= better + 1e-12
    assert min(high, 0.8) - 1e-9 <= better <= max(high, 0.8) + 1e-9
