"""What Knowledge keeps of how a remediation ended."""

from activities.knowledge.activity import build_outcome
from activities.model.pattern import PatternBasis, PatternKind
from activities.model.remediation import RecordRequest
from tests.support.model_builders import make_plan


def test_what_later_decisions_need_is_kept():
    """When it ended by Temporal's clock, whether the trouble outlasted the first look, and what the plan rested on."""
    grounds = (PatternBasis(kind=PatternKind.FREQUENCY, strength=0.4),)
    made = make_plan(evidence_patterns=grounds)
    kept = build_outcome(
        made, RecordRequest(plan_id=made.plan_id, outcome="fixed", ended_at=50.0, problem_persisted=True), now=60.0
    )
    assert (kept.ended_at, kept.problem_persisted, kept.evidence_patterns, kept.at) == (50.0, True, grounds, 60.0)
