"""What an ending teaches: every boundary of the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.classify import classify
from activities.model.outcome import OutcomeType

APPLIED = ("fixed", "improved", "no_effect", "worse")
NOT_SEEN = ("inconclusive", "rejected", "expired", "superseded", "recovered", "stale", "failed", "stopped")


@pytest.mark.parametrize(
    ("ending", "before", "after", "outcome", "value"),
    [
        ("fixed", 4, 0, OutcomeType.SUCCESS, 1.0),
        ("fixed", 0, 0, OutcomeType.UNKNOWN, None),
        ("improved", 4, 1, OutcomeType.PARTIAL, 0.5),
        ("improved", 4, 2, OutcomeType.PARTIAL, 0.5),
        ("improved", 5, 3, OutcomeType.INEFFECTIVE, 0.0),
        ("no_effect", 4, 3, OutcomeType.INEFFECTIVE, 0.0),
        ("no_effect", 1, 1, OutcomeType.INEFFECTIVE, 0.0),
        ("worse", 4, 5, OutcomeType.DEGRADATION, 0.0),
        ("worse", 0, 1, OutcomeType.DEGRADATION, 0.0),
        ("rolled_back", 3, 5, OutcomeType.DEGRADATION, 0.0),
        ("rolled_back", 3, 3, OutcomeType.UNKNOWN, None),
        ("rolled_back", 3, 0, OutcomeType.UNKNOWN, None),
    ],
)
def test_table(ending, before, after, outcome, value):
    """unknown → degradation → success → partial from exactly half → ineffective, in this order."""
    assert classify(ending, before, after) == (outcome, value)


@given(st.sampled_from(NOT_SEEN), st.integers(0, 50), st.integers(0, 50))
def test_what_was_not_seen_teaches_nothing(ending, before, after):
    """Without an effect that was seen, no numbers make it count."""
    assert classify(ending, before, after) == (OutcomeType.UNKNOWN, None)


@given(st.sampled_from(APPLIED), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_more_left_over_is_never_worth_more(ending, before, after, more):
    """The value never rises with what is still violated, and a value is only missing for 0 → 0."""
    _, value = classify(ending, before, after)
    _, lower = classify(ending, before, after + more)
    assert (value is None) == (before == after == 0)
    assert value is None or lower is None or lower <= value


@pytest.mark.parametrize(("before", "after"), [(-1, 0), (0, -1)])
def test_negative_counts_are_refused(before, after):
    """A count that cannot be is an error, not an outcome."""
    with pytest.raises(ValueError, match="negative"):
        classify("fixed", before, after)
