"""What Knowledge keeps of how a remediation ended."""

from activities.knowledge.activity import outcome_of
from activities.model.pattern import Ground, PatternKind
from activities.model.remediation import RecordRequest
from tests.support.model_builders import plan


def test_what_later_decisions_need_is_kept():
    """When it ended by Temporal's clock, whether the trouble outlasted the first look, and what the plan rested on."""
    grounds = (Ground(kind=PatternKind.FREQUENCY, strength=0.4),)
    made = plan(grounds=grounds)
    kept = outcome_of(made, RecordRequest(plan_id=made.plan_id, ending="fixed", ended=50.0, outlasted=True), now=60.0)
    assert (kept.ended, kept.outlasted, kept.grounds, kept.at) == (50.0, True, grounds, 60.0)
