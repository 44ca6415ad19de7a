"""The next rung of the ladder."""

import pytest

from activities.model.action import Action, ActionType
from activities.model.candidate import Candidate
from activities.model.diagnosis import Cause
from activities.model.guard_state import GuardState
from activities.model.incident import Incident, Rung
from activities.plan.ladder import keep_next_rung, reject_candidate, reject_used_rungs, used_rungs
from tests.activities.plan.builders import make_root_cause


def make_guard_state(
    outcome: str, component: str = "committee", cause: Cause = Cause.OVERLOAD, closed_at: float | None = None
) -> GuardState:
    """Return a guard state in which rung 0 has this outcome."""
    rung = Rung(rung=0, plan_id="abc", cause=cause, component=component, outcome=outcome)
    incident = Incident(
        incident_id="i", charter="c", knob="k", onset=1.0, opened_at=1.0, closed_at=closed_at, rungs=(rung,)
    )
    return GuardState(incidents=(incident,))


def make_candidate(rung: int) -> Candidate:
    """Return a candidate on a rung."""
    action = Action(type=ActionType.REBALANCE_LOAD, component=f"c{rung}")
    return Candidate(
        cause=Cause.OVERLOAD, component="x", rung=rung, actions=(action,), cost=0.1, benefit=0.4, score=0.3
    )


@pytest.mark.parametrize(
    ("outcome", "used"),
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
def test_which_outcomes_use_a_rung(outcome: str, used: bool) -> None:
    """A rung that did not help, or was not approved, is used; a stale or stopped one is not."""
    assert set(used_rungs(make_guard_state(outcome), make_root_cause("overload"))) == ({0} if used else set())


def test_only_the_same_cause_uses_a_rung() -> None:
    """Another cause, another component or a closed incident leaves the rung free."""
    assert used_rungs(make_guard_state("worse", component="gateway"), make_root_cause("overload")) == {}
    assert used_rungs(make_guard_state("worse", cause=Cause.CASCADE), make_root_cause("overload")) == {}
    assert used_rungs(make_guard_state("worse", closed_at=5.0), make_root_cause("overload")) == {}


def test_a_used_rung_names_its_outcome() -> None:
    """The reason names rung, outcome and plan."""
    first, second = reject_used_rungs(
        [make_candidate(0), make_candidate(1)], used_rungs(make_guard_state("worse"), make_root_cause("overload"))
    )
    assert (first.rejected_by, first.reason) == ("ladder", "rung 0 was tried: worse by plan abc")
    assert second.rejected_by == ""


@pytest.mark.parametrize(
    ("rejected", "open_rungs"),
    [(set(), {0}), ({0}, {1}), ({0, 1}, {2}), ({1}, {0}), ({0, 1, 2}, set())],
)
def test_only_the_lowest_unused_rung_is_open(rejected: set[int], open_rungs: set[int]) -> None:
    """Rungs above it wait; a rung with rejected candidates only is passed over."""
    candidates = [
        reject_candidate(c, "score", "0 ≤ 0") if c.rung in rejected else c for c in map(make_candidate, (0, 1, 2))
    ]
    result = keep_next_rung(candidates)
    assert {c.rung for c in result if not c.rejected_by} == open_rungs
    assert all(c.reason for c in result if c.rejected_by)
