"""Scoring shadow decisions by what then happened."""

import pytest

from activities.model.autonomy import EvidenceKind, ShadowDecision
from activities.model.charter import Committee
from activities.upkeep.current_state import CurrentState
from activities.upkeep.shadow_scores import score_shadow

SHADOW_DECISION = ShadowDecision(
    plan_id="0123456789ab",
    loop="charter",
    cause="validation_latency",
    component="committee",
    knob="committee",
    actions=("SCALE_UP",),
    generation=7,
    targets=(("validator-1", "p99"), ("validator-2", "p99")),
    at=1000.0,
    last_seen_at=1000.0,
    due_at=1120.0,
)
UNCHANGED_COMMITTEE = Committee(replicas=5, healthy_nodes=5, generation=7)
TARGET, OTHER = ("validator-1", "p99"), ("gateway", "p99")


@pytest.mark.parametrize(
    ("committee", "violated", "blind", "mark"),
    [
        (UNCHANGED_COMMITTEE, {TARGET}, (), EvidenceKind.MATCH),
        (UNCHANGED_COMMITTEE, (), (), EvidenceKind.MISS),
        (UNCHANGED_COMMITTEE, {OTHER}, (), EvidenceKind.MISS),
        (UNCHANGED_COMMITTEE.model_copy(update={"generation": 8}), (), (), EvidenceKind.MATCH),
        (UNCHANGED_COMMITTEE, (), {"validator-2"}, None),
        (UNCHANGED_COMMITTEE, (), {"*"}, None),
        (UNCHANGED_COMMITTEE, (), {"prometheus"}, None),
        (UNCHANGED_COMMITTEE, (), {"gateway"}, EvidenceKind.MISS),
        (UNCHANGED_COMMITTEE, {TARGET}, {"validator-2"}, EvidenceKind.MATCH),
        (None, {TARGET}, (), None),
    ],
)
def test_what_became_of_the_trouble(committee, violated, blind, mark):
    """It stayed, or a person turned the knob: right. It went away, seen and not assumed: wrong. Blind: not told."""
    seen = CurrentState(frozenset(violated), frozenset(blind), committee, ())
    assert score_shadow(SHADOW_DECISION, seen) is mark
