"""What was learned, in sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.insights import format_insights, wilson_interval
from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import ActionStats, Experience


def make_experience(*counts):
    """Return records of these sizes, everything a success."""
    actions = list(ActionType)
    return Experience(
        action_stats=tuple(
            ActionStats(action=actions[i], cause=Cause.OVERLOAD, count=n, total=n) for i, n in enumerate(counts)
        )
    )


def test_a_sentence_holds_rate_interval_and_n():
    """A person reads the rate with its interval and the number of outcomes behind it."""
    tried = ActionStats(action=ActionType.SCALE_UP, cause=Cause.VALIDATION_LATENCY, count=10, total=8.0)
    (sentence,) = format_insights(Experience(action_stats=(tried,)), KnowledgeSettings())
    assert sentence == ("SCALE_UP helps against validation_latency at a rate of 80% (95 % interval 49% to 94%, n = 10)")


def test_fewer_than_three_outcomes_say_nothing():
    """Only records of at least three outcomes speak, the most tried first."""
    said = format_insights(make_experience(2, 3, 30), KnowledgeSettings())
    assert [sentence.rsplit("n = ", 1)[1] for sentence in said] == ["30)", "3)"]


def test_they_can_be_switched_off():
    """Without insights there are no sentences."""
    assert format_insights(make_experience(30), KnowledgeSettings(insight_generation_enabled=False)) == ()


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_interval_holds_the_rate(n, rate):
    """The interval lies within 0 to 1, around the rate, and narrows with ten times the outcomes."""
    low, high = wilson_interval(rate * n, n)
    assert 0.0 <= low <= rate + 1e-9
    assert rate - 1e-9 <= high <= 1.0
    narrow = wilson_interval(rate * 10 * n, 10 * n)
    assert narrow[1] - narrow[0] < high - low


@pytest.mark.parametrize(("total", "n"), [(0.0, 0), (-1.0, 3), (4.0, 3)])
def test_a_rate_that_cannot_be_is_refused(total, n):
    """No outcomes, or more successes than outcomes, have no rate."""
    with pytest.raises(ValueError, match="is not a rate"):
        wilson_interval(total, n)
