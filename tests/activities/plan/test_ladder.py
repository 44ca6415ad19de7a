"""Which rung comes next."""

import pytest

from activities.model.action import Action, ActionType
from activities.model.candidate import Candidate
from activities.model.diagnosis import Cause
from activities.model.guard_state import GuardState
from activities.model.incident import Incident, Rung
from activities.plan.ladder import keep_next_rung, reject_candidate, reject_used_rungs, used_rungs


def make_guard_state(outcome, component="committee", cause=Cause.OVERLOAD, closed_at=None):
    """Return a guard state with rung 0 ended so."""
    rung = Rung(rung=0, plan_id="abc", cause=cause, component=component, outcome=outcome)
    incident = Incident(
        incident_id="i", charter="c", knob="k", onset=1.0, opened_at=1.0, closed_at=closed_at, rungs=(rung,)
    )
    return GuardState(incidents=(incident,))


def make_candidate(rung, score=0.3):
    """Return a candidate on a rung."""
    action = Action(type=ActionType.REBALANCE_LOAD, component=f"c{rung}")
    return Candidate(
        cause=Cause.OVERLOAD, component="x", rung=rung, actions=(action,), cost=0.1, benefit=0.4, score=score
    )


@pytest.mark.parametrize(
    ("ending", "used"),
    [
        ("", False),
        ("fixed", False),
        ("improved", False),
        ("stale", False),
        ("recovered", False),
        ("superseded", False),
        ("no_effect", True),
        ("worse", True),
        ("rolled_back", True),
        ("inconclusive", True),
        ("rejected", True),
        ("expired", True),
        ("failed", True),
        ("stopped", False),
    ],
)
def test_which_endings_use_a_rung_up(ending, used, make_root_cause):
    """A rung that did not help, or that a person refused, is used up; not one that was stale, or stopped on its way."""
    assert set(used_rungs(make_guard_state(ending), make_root_cause("overload"))) == ({0} if used else set())


def test_only_the_same_trouble_uses_a_rung_up(make_root_cause):
    """Another cause, another component or a closed incident leaves the rung free."""
    assert used_rungs(make_guard_state("worse", component="gateway"), make_root_cause("overload")) == {}
    assert used_rungs(make_guard_state("worse", cause=Cause.CASCADE), make_root_cause("overload")) == {}
    assert used_rungs(make_guard_state("worse", closed_at=5.0), make_root_cause("overload")) == {}


def test_used_up_rungs_say_how_they_ended(make_root_cause):
    """The reason names rung, ending and plan."""
    first, second = reject_used_rungs(
        [make_candidate(0), make_candidate(1)], used_rungs(make_guard_state("worse"), make_root_cause("overload"))
    )
    assert (first.rejected_by, first.reason) == ("ladder", "rung 0 was tried: worse by plan abc")
    assert second.rejected_by == ""


@pytest.mark.parametrize(
    ("stopped", "open_rungs"),
    [(set(), {0}), ({0}, {1}), ({0, 1}, {2}), ({1}, {0}), ({0, 1, 2}, set())],
)
def test_only_the_lowest_free_rung_is_open(stopped, open_rungs):
    """Rungs above wait; a rung with nothing but rejected candidates is passed over."""
    listed = [reject_candidate(c, "score", "0 ≤ 0") if c.rung in stopped else c for c in map(make_candidate, (0, 1, 2))]
    result = keep_next_rung(listed)
    assert {c.rung for c in result if not c.rejected_by} == open_rungs
    assert all(c.reason for c in result if c.rejected_by)
