"""When a person is told, and of what. Pure."""

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
"""Guards whose block is not only explained but told, by their rule."""
MAX_SHOWN_VIOLATIONS = 5
"""Violations and causes named in one message."""


def notifications_for_decision(decision: Decision, loop: str, cycle_id: str, at: float) -> tuple[Notification, ...]:
    """Return what of a decision a person is told: no rung is left, or a guard took the loop out of the game."""
    found = [
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
        found.append(escalation)
    distinct = {(notice.kind, notice.key): notice for notice in found}
    return tuple(notice.model_copy(update={"workflow": cycle_id, "at": at}) for notice in distinct.values())


def notification_for_approval(plan: Plan, prepared: PrepareResult, at: float) -> Notification:
    """Return what is told when a plan waits for a person: what it would do, why, until when and how to answer."""
    details = (
        prepared.headline,
        f"silence for {prepared.deadline:.0f} s is a no",
        f"mapek approve {plan.plan_id}",
        f"mapek reject {plan.plan_id}",
        f"mapek explain {plan.plan_id}",
    )
    return _plan_notification(plan, NotificationKind.APPROVAL, f"approval wanted: {plan.headline}", details, at)


def notifications_for_outcome(plan: Plan, request: RecordRequest, at: float) -> tuple[Notification, ...]:
    """Return what is told of an ending that leaves Charter in a state only a person can put right."""
    if request.undo_failed:
        details = (
            request.undo_failed,
            f"mapek explain {plan.plan_id}",
            f"then mapek resume {plan.loop} --knob {plan.knob} --reason ...",
        )
        return (
            _plan_notification(
                plan, NotificationKind.QUARANTINE, f"{plan.knob} is quarantined: {request.headline}", details, at
            ),
        )
    kind = consequences_of(request.outcome).notification
    if kind is not None:
        stands = ("what made it worse stands: nothing undoes it", f"mapek explain {plan.plan_id}")
        return (_plan_notification(plan, kind, request.headline or "it got worse", stands, at),)
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
    # A storm is of the loop as a whole, a freeze of its knob.
    kind, about = NOTIFIED_RULES[GuardRule(rule)], knob if rule != GuardRule.STORM else ""
    what = f"{knob} is frozen" if about else "storm: the loop only observes"
    return Notification(
        key=_dedup_key(loop, rule, about), kind=kind, loop=loop, headline=f"{what}: {reason}", knob=about
    )


def _dedup_key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
