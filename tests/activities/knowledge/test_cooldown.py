"""How long a knob rests."""

import pytest

from activities.knowledge.cooldown import cool_down_seconds
from activities.model.plan import CoolDowns

COOL_DOWNS = CoolDowns(after_success=300.0, no_effect=7.0, rolled_back=900.0)


@pytest.mark.parametrize(
    ("endings", "seconds"),
    [
        (("fixed", "improved", "inconclusive"), 300.0),
        (("no_effect",), 7.0),
        (("worse", "rolled_back", "failed", "stopped"), 900.0),
        (("rejected", "expired", "superseded", "recovered", "stale"), 0.0),
    ],
)
def test_every_ending_has_its_rest(endings, seconds):
    """What was kept rests for its effect, what was moved back rests long, what was never applied not at all."""
    assert {cool_down_seconds(ending, COOL_DOWNS) for ending in endings} == {seconds}
