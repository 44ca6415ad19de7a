"""The events of which operators are notified."""

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
def test_an_ordinary_decision_is_not_notified(outcome: str) -> None:
    """No operator is alarmed by an outcome the loop handles, nor by an ordinary guard."""
    block = Block(rule="cool-down", knob="committee", reason="cools down for another 10 s")
    assert notifications_for_decision(make_decision(outcome, block), "charter", "cycle-1", 5.0) == ()


def test_a_repeated_escalation_has_one_key() -> None:
    """The same cause on the same component has the same key with any numbers; at most five violations are listed."""
    (first,) = notifications_for_decision(make_decision("escalated"), "charter", "cycle-1", 5.0)
    more_confident = DIAGNOSIS.model_copy(update={"root_causes": (ROOT.model_copy(update={"confidence": 0.95}),)})
    repeated = make_decision("escalated", diagnosis=more_confident)
    (second,) = notifications_for_decision(repeated, "charter", "cycle-2", 35.0)
    assert (first.kind, first.key, first.workflow) == (NotificationKind.ESCALATION, second.key, "cycle-1")
    assert len(first.details) == 5
    elsewhere = DIAGNOSIS.model_copy(update={"root_causes": (ROOT.model_copy(update={"component": "audit-log"}),)})
    (other,) = notifications_for_decision(make_decision("escalated", diagnosis=elsewhere), "charter", "c", 5.0)
    assert other.key != first.key


def test_a_storm_is_notified_per_loop_and_a_freeze_per_knob() -> None:
    """Many candidates blocked by a storm make one notification; two frozen knobs make two."""
    storm = [Block(rule="storm", knob=knob, reason="6 of 8 in trouble") for knob in ("committee", "admission")]
    (notification,) = notifications_for_decision(make_decision("blocked", *storm), "charter", "c", 5.0)
    assert (notification.kind, notification.knob) == (NotificationKind.STORM, "")
    assert notification.headline == "storm: the loop only observes: 6 of 8 in trouble"
    freeze = [Block(rule="frozen", knob=knob, reason="3 reversals") for knob in ("committee", "admission", "committee")]
    notifications = notifications_for_decision(make_decision("blocked", *freeze), "charter", "c", 5.0)
    assert sorted(n.knob for n in notifications) == ["admission", "committee"]


def test_a_request_for_approval_shows_plan_reason_deadline_and_commands() -> None:
    """An operator can decide and answer from the message alone."""
    prepared = PrepareResult(headline="ready, risk high: SCALE_UP", deadline=3600.0)
    notification = notification_for_approval(make_plan(), prepared, 5.0)
    assert (notification.kind, notification.key, notification.plan) == (NotificationKind.APPROVAL, "i" * 12, "a" * 12)
    assert notification.headline == "approval required: SCALE_UP committee"
    assert {
        "ready, risk high: SCALE_UP",
        "without an answer within 3600 s the plan expires",
        f"mapek approve {'a' * 12}",
    } <= set(notification.details)
    assert notification.workflow == "mapek-fix:charter:committee"


@pytest.mark.parametrize(
    ("outcome", "undo_failed", "kinds"),
    [
        ("fixed", "", []),
        ("rolled_back", "", []),
        ("failed", "", []),
        ("expired", "", []),
        ("worse", "", [NotificationKind.ESCALATION]),
        ("rolled_back", "a newer change is applied", [NotificationKind.QUARANTINE]),
        ("worse", "a newer change is applied", [NotificationKind.QUARANTINE]),
    ],
)
def test_an_outcome_that_needs_an_operator_is_notified(
    outcome: str, undo_failed: str, kinds: list[NotificationKind]
) -> None:
    """A harmful change that is still applied or cannot be undone is notified; a completed rollback is not."""
    request = RecordRequest(plan_id="a" * 12, outcome=outcome, headline="2 → 5", undo_failed=undo_failed)
    assert [notification.kind for notification in notifications_for_outcome(make_plan(), request, 5.0)] == kinds
