"""The learned success rates, as sentences."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.insights import format_insights, wilson_interval
from activities.knowledge.settings import KnowledgeSettings
from activities.model.action import ActionType
from activities.model.diagnosis import Cause
from activities.model.experience import ActionStats, Experience


def make_experience(*counts: int) -> Experience:
    """Return stats with these counts, all of them successes."""
    actions = list(ActionType)
    return Experience(
        action_stats=tuple(
            ActionStats(action=actions[i], cause=Cause.OVERLOAD, count=count, total=count)
            for i, count in enumerate(counts)
        )
    )


def test_a_sentence_has_rate_interval_and_count() -> None:
    """An operator reads the rate, its interval and the number of outcomes."""
    stats = ActionStats(action=ActionType.SCALE_UP, cause=Cause.VALIDATION_LATENCY, count=10, total=8.0)
    (sentence,) = format_insights(Experience(action_stats=(stats,)), KnowledgeSettings())
    assert sentence == ("SCALE_UP helps against validation_latency at a rate of 80% (95 % interval 49% to 94%, n = 10)")


def test_fewer_than_three_outcomes_give_no_sentence() -> None:
    """Only stats of at least three outcomes give a sentence, the most frequent first."""
    sentences = format_insights(make_experience(2, 3, 30), KnowledgeSettings())
    assert [sentence.rsplit("n = ", 1)[1] for sentence in sentences] == ["30)", "3)"]


def test_insights_can_be_disabled() -> None:
    """Without insights there are no sentences."""
    assert format_insights(make_experience(30), KnowledgeSettings(insight_generation_enabled=False)) == ()


@given(st.integers(1, 500), st.floats(0, 1))
def test_the_interval_includes_the_rate(count: int, rate: float) -> None:
    """The interval is within 0 to 1, around the rate, and narrower with ten times the outcomes."""
    low, high = wilson_interval(rate * count, count)
    assert 0.0 <= low <= rate + 1e-9
    assert rate - 1e-9 <= high <= 1.0
    narrow = wilson_interval(rate * 10 * count, 10 * count)
    assert narrow[1] - narrow[0] < high - low


@pytest.mark.parametrize(("total", "count"), [(0.0, 0), (-1.0, 3), (4.0, 3)])
def test_an_invalid_rate_is_refused(total: float, count: int) -> None:
    """No outcomes, or a total outside 0 to the count, have no rate."""
    with pytest.raises(ValueError, match="is not a rate"):
        wilson_interval(total, count)
