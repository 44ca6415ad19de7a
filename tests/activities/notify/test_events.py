"""When a person is told, and of what."""

import pytest

from activities.model.decision import Block, Decision
from activities.model.diagnosis import Cause, Diagnosis, RootCause
from activities.model.notification import NotificationKind
from activities.model.remediation import PrepareResult, RecordRequest
from activities.model.violation import Violation
from activities.notify.events import notification_for_approval, notifications_for_decision, notifications_for_outcome
from tests.support.model_builders import make_plan

ROOT = RootCause(cause=Cause.CASCADE, component="gateway", confidence=0.9)
DIAGNOSIS = Diagnosis(
    headline="cascade",
    at=1.0,
    root_causes=(RootCause(cause=Cause.UNKNOWN, component="x", confidence=0.1), ROOT),
    violations=tuple(Violation(component=f"c{i}", metric="p99", value=2.0, limit=1.0) for i in range(9)),
)


def make_decision(outcome: str, *blocks: Block, diagnosis: Diagnosis = DIAGNOSIS) -> Decision:
    """Return a decision with that outcome."""
    return Decision(outcome=outcome, headline=f"{outcome}: because", diagnosis=diagnosis, blocks=blocks)


@pytest.mark.parametrize("outcome", ["planned", "observed", "blocked", "unknown", "busy"])
def test_what_the_loop_handles_itself_is_not_told(outcome):
    """Nobody is woken for what goes on by itself, whatever ordinary guard says "not now"."""
    block = Block(rule="cool-down", knob="committee", reason="rests for another 10 s")
    assert notifications_for_decision(make_decision(outcome, block), "charter", "cycle-1", 5.0) == ()


def test_an_escalation_is_one_trouble_however_often_it_is_decided():
    """The same cause in the same place has the same key, whatever its numbers; it names at most five violations."""
    (first,) = notifications_for_decision(make_decision("escalated"), "charter", "cycle-1", 5.0)
    warmer = DIAGNOSIS.model_copy(update={"root_causes": (ROOT.model_copy(update={"confidence": 0.95}),)})
    (second,) = notifications_for_decision(make_decision("escalated", diagnosis=warmer), "charter", "cycle-2", 35.0)
    assert (first.kind, first.key, first.workflow) == (NotificationKind.ESCALATION, second.key, "cycle-1")
    assert len(first.details) == 5
    elsewhere = DIAGNOSIS.model_copy(update={"root_causes": (ROOT.model_copy(update={"component": "audit-log"}),)})
    assert (
        notifications_for_decision(make_decision("escalated", diagnosis=elsewhere), "charter", "c", 5.0)[0].key
        != first.key
    )


def test_a_storm_is_told_once_for_the_loop_and_a_freeze_for_its_knob():
    """Many blocked candidates of a storm make one notice; two frozen knobs make two."""
    storm = [Block(rule="storm", knob=knob, reason="6 of 8 in trouble") for knob in ("committee", "admission")]
    (one,) = notifications_for_decision(make_decision("blocked", *storm), "charter", "c", 5.0)
    assert (one.kind, one.knob, one.headline) == (
        NotificationKind.STORM,
        "",
        "storm: the loop only observes: 6 of 8 in trouble",
    )
    frozen = [Block(rule="frozen", knob=knob, reason="3 reversals") for knob in ("committee", "admission", "committee")]
    assert {n.knob for n in notifications_for_decision(make_decision("blocked", *frozen), "charter", "c", 5.0)} == {
        "committee",
        "admission",
    }


def test_a_waiting_plan_says_what_why_until_when_and_how_to_answer():
    """Everything a person needs at 3 a.m. is in the message."""
    notice = notification_for_approval(
        make_plan(), PrepareResult(headline="ready, risk high: SCALE_UP", deadline=3600.0), 5.0
    )
    assert (notice.kind, notice.key, notice.plan) == (NotificationKind.APPROVAL, "i" * 12, "a" * 12)
    assert notice.headline == "approval wanted: SCALE_UP committee"
    assert {"silence for 3600 s is a no", f"mapek approve {'a' * 12}"} <= set(notice.details)
    assert notice.workflow == "mapek-fix:charter:committee"


@pytest.mark.parametrize(
    ("ending", "undo_failed", "kinds"),
    [
        ("fixed", "", []),
        ("rolled_back", "", []),
        ("failed", "", []),
        ("expired", "", []),
        ("worse", "", [NotificationKind.ESCALATION]),
        ("rolled_back", "a newer change stands", [NotificationKind.QUARANTINE]),
        ("worse", "a newer change stands", [NotificationKind.QUARANTINE]),
    ],
)
def test_an_ending_only_a_person_can_put_right_is_told(ending, undo_failed, kinds):
    """What stands and is wrong, or could not be undone; not what was rolled back in order."""
    request = RecordRequest(plan_id="a" * 12, outcome=ending, headline="2 → 5", undo_failed=undo_failed)
    assert [notice.kind for notice in notifications_for_outcome(make_plan(), request, 5.0)] == kinds
