"""The events of which operators are notified. Pure."""

import hashlib

from activities.model.cycle import CycleOutcome
from activities.model.decision import Decision
from activities.model.diagnosis import Cause
from activities.model.guard_rule import GuardRule
from activities.model.notification import Notification, NotificationKind
from activities.model.plan import Plan
from activities.model.remediation import PrepareResult, RecordRequest
from activities.model.remediation_outcome import consequences_of

NOTIFIED_RULES = {GuardRule.STORM: NotificationKind.STORM, GuardRule.FROZEN: NotificationKind.FREEZE}
"""The guards whose block is notified, by rule."""
MAX_SHOWN_VIOLATIONS = 5
"""Violations listed in one notification."""


def notifications_for_decision(decision: Decision, loop: str, cycle_id: str, at: float) -> tuple[Notification, ...]:
    """Return the notifications of a decision: no rung remains, or a guard stops the loop."""
    notifications = [
        _block_notification(block.rule, block.knob, block.reason, loop)
        for block in decision.blocks
        if block.rule in NOTIFIED_RULES
    ]
    if decision.outcome == CycleOutcome.ESCALATED:
        root = next((r for r in decision.diagnosis.root_causes if r.cause is not Cause.UNKNOWN), None)
        key = _dedup_key(loop, root.cause, root.component) if root else _dedup_key(loop)
        details = tuple(violation.summary for violation in decision.diagnosis.violations[:MAX_SHOWN_VIOLATIONS])
        escalation = Notification(
            key=key, kind=NotificationKind.ESCALATION, loop=loop, headline=decision.headline, details=details
        )
        notifications.append(escalation)
    distinct = {(notification.kind, notification.key): notification for notification in notifications}
    return tuple(n.model_copy(update={"workflow": cycle_id, "at": at}) for n in distinct.values())


def notification_for_approval(plan: Plan, prepared: PrepareResult, at: float) -> Notification:
    """Return the request for approval: the plan, its reason, the deadline and the commands to answer."""
    details = (
        prepared.headline,
        f"without an answer within {prepared.deadline:.0f} s the plan expires",
        f"mapek approve {plan.plan_id}",
        f"mapek reject {plan.plan_id}",
        f"mapek explain {plan.plan_id}",
    )
    return _plan_notification(plan, NotificationKind.APPROVAL, f"approval required: {plan.headline}", details, at)


def notifications_for_outcome(plan: Plan, request: RecordRequest, at: float) -> tuple[Notification, ...]:
    """Return the notifications of an outcome that only an operator can repair."""
    if request.undo_failed:
        headline = f"{plan.knob} is quarantined: {request.headline}"
        resume = f"then mapek resume {plan.loop} --knob {plan.knob} --reason ..."
        details: tuple[str, ...] = (request.undo_failed, f"mapek explain {plan.plan_id}", resume)
        return (_plan_notification(plan, NotificationKind.QUARANTINE, headline, details, at),)
    kind = consequences_of(request.outcome).notification
    if kind is not None:
        details = ("the change made it worse and is still applied", f"mapek explain {plan.plan_id}")
        return (_plan_notification(plan, kind, request.headline or "the change made it worse", details, at),)
    return ()


def _plan_notification(
    plan: Plan, kind: NotificationKind, headline: str, details: tuple[str, ...], at: float
) -> Notification:
    return Notification(
        key=plan.incident_id,
        kind=kind,
        loop=plan.loop,
        headline=headline,
        details=details,
        knob=plan.knob,
        plan=plan.plan_id,
        workflow=plan.workflow_id,
        at=at,
    )


def _block_notification(rule: str, knob: str, reason: str, loop: str) -> Notification:
    # A storm concerns the whole loop, a freeze one knob.
    knob = "" if rule == GuardRule.STORM else knob
    effect = f"{knob} is frozen" if knob else "storm: the loop only observes"
    return Notification(
        key=_dedup_key(loop, rule, knob),
        kind=NOTIFIED_RULES[GuardRule(rule)],
        loop=loop,
        headline=f"{effect}: {reason}",
        knob=knob,
    )


def _dedup_key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
