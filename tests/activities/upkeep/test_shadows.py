"""Scoring shadow decisions by what then happened."""

import pytest

from activities.model.autonomy import Mark, Shadow
from activities.model.charter import Committee
from activities.upkeep.current_state import Seen
from activities.upkeep.shadow_scores import scored

SHADOW = Shadow(
    plan_id="0123456789ab",
    loop="charter",
    cause="validation_latency",
    component="committee",
    knob="committee",
    actions=("SCALE_UP",),
    generation=7,
    targets=(("validator-1", "p99"), ("validator-2", "p99")),
    at=1000.0,
    seen_at=1000.0,
    due_at=1120.0,
)
STILL = Committee(replicas=5, healthy_nodes=5, generation=7)
TARGET, OTHER = ("validator-1", "p99"), ("gateway", "p99")


@pytest.mark.parametrize(
    ("committee", "violated", "blind", "mark"),
    [
        (STILL, {TARGET}, (), Mark.MATCH),
        (STILL, (), (), Mark.MISS),
        (STILL, {OTHER}, (), Mark.MISS),
        (STILL.model_copy(update={"generation": 8}), (), (), Mark.MATCH),
        (STILL, (), {"validator-2"}, None),
        (STILL, (), {"*"}, None),
        (STILL, (), {"prometheus"}, None),
        (STILL, (), {"gateway"}, Mark.MISS),
        (STILL, {TARGET}, {"validator-2"}, Mark.MATCH),
        (None, {TARGET}, (), None),
    ],
)
def test_what_became_of_the_trouble(committee, violated, blind, mark):
    """It stayed, or a person turned the knob: right. It went away, seen and not assumed: wrong. Blind: not told."""
    seen = Seen(frozenset(violated), frozenset(blind), committee, ())
    assert scored(SHADOW, seen) is mark
