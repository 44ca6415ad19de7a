"""When a success is rechecked, and how a relapse changes its outcome."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.recheck import apply_recheck, next_recheck_at
from activities.knowledge.settings import KnowledgeSettings
from activities.model.outcome import EffectClass
from tests.support.model_builders import make_outcome

DEFAULT_SETTINGS = KnowledgeSettings()


@pytest.mark.parametrize(
    ("outcome", "rechecks", "delay"),
    [
        ("fixed", 0, 900.0),
        ("improved", 1, 3600.0),
        ("fixed", 2, 86400.0),
        ("fixed", 3, None),
        ("no_effect", 0, None),
        ("rolled_back", 0, None),
        ("inconclusive", 0, None),
    ],
)
def test_a_success_is_rechecked_three_times(outcome: str, rechecks: int, delay: float | None) -> None:
    """A success is rechecked after 15 minutes, an hour and a day; any other outcome is not."""
    expected = None if delay is None else 1100.0 + delay
    assert next_recheck_at(make_outcome(outcome=outcome, rechecks=rechecks), DEFAULT_SETTINGS) == expected


def test_without_delays_there_is_no_recheck() -> None:
    """An empty setting disables rechecks."""
    assert next_recheck_at(make_outcome(), KnowledgeSettings(recheck_seconds=())) is None


def test_a_relapse_is_relabelled_and_ends_the_rechecks() -> None:
    """A relapsed outcome is ineffective, has value 0 and the time of the relapse."""
    relapsed = apply_recheck(make_outcome(), True, 2000.0, DEFAULT_SETTINGS)
    assert (relapsed.type, relapsed.value, relapsed.relapsed_at) == (EffectClass.INEFFECTIVE, 0.0, 2000.0)
    assert next_recheck_at(relapsed, DEFAULT_SETTINGS) is None


@given(delay=st.floats(900.0, 200_000.0))
def test_one_recheck_counts_for_all_overdue_ones(delay: float) -> None:
    """After a long stop one recheck counts for all that are due, and the next one is later."""
    now = 1100.0 + delay
    lasting = apply_recheck(make_outcome(), False, now, DEFAULT_SETTINGS)
    assert (lasting.type, lasting.value, lasting.relapsed_at) == (EffectClass.SUCCESS, 1.0, None)
    next_at = next_recheck_at(lasting, DEFAULT_SETTINGS)
    assert next_at is None or next_at > now
