"""When a success is looked at again, and what a relapse makes of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.knowledge.recheck import apply_recheck, next_recheck_at
from activities.knowledge.settings import KnowledgeSettings
from activities.model.outcome import EffectClass
from tests.support.model_builders import make_outcome

DEFAULT_SETTINGS = KnowledgeSettings()


@pytest.mark.parametrize(
    ("ending", "rechecks", "after"),
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
def test_when_it_is_looked_at_again(ending, rechecks, after):
    """A success after 15 minutes, an hour and a day; nothing else promised anything."""
    expected = None if after is None else 1100.0 + after
    assert next_recheck_at(make_outcome(outcome=ending, rechecks=rechecks), DEFAULT_SETTINGS) == expected


def test_without_spans_a_success_is_believed_at_once():
    """An empty setting looks at nothing again."""
    assert next_recheck_at(make_outcome(), KnowledgeSettings(recheck_seconds=())) is None


def test_a_relapse_is_relabelled_and_ends_the_looks():
    """What is back did not help: ineffective, worth nothing, with the time."""
    back = apply_recheck(make_outcome(), True, 2000.0, DEFAULT_SETTINGS)
    assert (back.type, back.value, back.relapsed_at) == (EffectClass.INEFFECTIVE, 0.0, 2000.0)
    assert next_recheck_at(back, DEFAULT_SETTINGS) is None


@given(late=st.floats(900.0, 200_000.0))
def test_overdue_looks_are_made_at_once(late):
    """After a long stop one look stands for all that were due by then, and the next one lies ahead."""
    now = 1100.0 + late
    seen = apply_recheck(make_outcome(), False, now, DEFAULT_SETTINGS)
    assert (seen.type, seen.value, seen.relapsed_at) == (EffectClass.SUCCESS, 1.0, None)
    following = next_recheck_at(seen, DEFAULT_SETTINGS)
    assert following is None or following > now
