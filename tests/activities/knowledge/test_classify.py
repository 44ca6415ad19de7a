"""What an ending teaches: every boundary of the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.classify import classify_outcome
from activities.model.outcome import EffectClass

APPLIED_OUTCOMES = ("fixed", "improved", "no_effect", "worse")
UNCOUNTED_OUTCOMES = ("inconclusive", "rejected", "expired", "superseded", "recovered", "stale", "failed", "stopped")


@pytest.mark.parametrize(
    ("ending", "before", "after", "outcome", "value"),
    [
        ("fixed", 4, 0, EffectClass.SUCCESS, 1.0),
        ("fixed", 0, 0, EffectClass.UNKNOWN, None),
        ("improved", 4, 1, EffectClass.PARTIAL, 0.5),
        ("improved", 4, 2, EffectClass.PARTIAL, 0.5),
        ("improved", 5, 3, EffectClass.INEFFECTIVE, 0.0),
        ("no_effect", 4, 3, EffectClass.INEFFECTIVE, 0.0),
        ("no_effect", 1, 1, EffectClass.INEFFECTIVE, 0.0),
        ("worse", 4, 5, EffectClass.DEGRADATION, 0.0),
        ("worse", 0, 1, EffectClass.DEGRADATION, 0.0),
        ("rolled_back", 3, 5, EffectClass.DEGRADATION, 0.0),
        ("rolled_back", 3, 3, EffectClass.UNKNOWN, None),
        ("rolled_back", 3, 0, EffectClass.UNKNOWN, None),
    ],
)
def test_table(ending, before, after, outcome, value):
    """unknown → degradation → success → partial from exactly half → ineffective, in this order."""
    assert classify_outcome(ending, before, after) == (outcome, value)


@given(st.sampled_from(UNCOUNTED_OUTCOMES), st.integers(0, 50), st.integers(0, 50))
def test_what_was_not_seen_teaches_nothing(ending, before, after):
    """Without an effect that was seen, no numbers make it count."""
    assert classify_outcome(ending, before, after) == (EffectClass.UNKNOWN, None)


@given(st.sampled_from(APPLIED_OUTCOMES), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_more_left_over_is_never_worth_more(ending, before, after, more):
    """The value never rises with what is still violated, and a value is only missing for 0 → 0."""
    _, value = classify_outcome(ending, before, after)
    _, lower = classify_outcome(ending, before, after + more)
    assert (value is None) == (before == after == 0)
    assert value is None or lower is None or lower <= value


@pytest.mark.parametrize(("before", "after"), [(-1, 0), (0, -1)])
def test_negative_counts_are_refused(before, after):
    """A count that cannot be is an error, not an outcome."""
    with pytest.raises(ValueError, match="negative"):
        classify_outcome("fixed", before, after)
