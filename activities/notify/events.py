"""When a person is told, and of what. Pure."""

import hashlib

from activities.model.decision import Decision
from activities.model.diagnosis import Cause
from activities.model.notice import Notice, NoticeKind
from activities.model.plan import Plan
from activities.model.remediation import Prepared, RecordRequest

GUARDS = {"storm": NoticeKind.STORM, "frozen": NoticeKind.FREEZE}
"""Guards whose block is not only explained but told, by their rule."""
SHOWN = 5
"""Violations and causes named in one message."""


def of_decision(decision: Decision, loop: str, cycle_id: str, at: float) -> tuple[Notice, ...]:
    """Return what of a decision a person is told: no rung is left, or a guard took the loop out of the game."""
    found = [_of_block(block.rule, block.knob, block.reason, loop) for block in decision.blocks if block.rule in GUARDS]
    if decision.outcome == "escalated":
        root = next((r for r in decision.diagnosis.root_causes if r.cause is not Cause.UNKNOWN), None)
        key = _key(loop, root.cause, root.component) if root else _key(loop)
        details = tuple(violation.text for violation in decision.diagnosis.violations[:SHOWN])
        escalation = Notice(key=key, kind=NoticeKind.ESCALATION, loop=loop, headline=decision.headline, details=details)
        found.append(escalation)
    distinct = {(notice.kind, notice.key): notice for notice in found}
    return tuple(notice.model_copy(update={"workflow": cycle_id, "at": at}) for notice in distinct.values())


def of_waiting(plan: Plan, prepared: Prepared, at: float) -> Notice:
    """Return what is told when a plan waits for a person: what it would do, why, until when and how to answer."""
    details = (
        prepared.headline,
        f"silence for {prepared.deadline:.0f} s is a no",
        f"mapek approve {plan.plan_id}",
        f"mapek reject {plan.plan_id}",
        f"mapek explain {plan.plan_id}",
    )
    return _of_plan(plan, NoticeKind.APPROVAL, f"approval wanted: {plan.headline}", details, at)


def of_ending(plan: Plan, request: RecordRequest, at: float) -> tuple[Notice, ...]:
    """Return what is told of an ending that leaves Charter in a state only a person can put right."""
    if request.undo_failed:
        details = (
            request.undo_failed,
            f"mapek explain {plan.plan_id}",
            f"then mapek resume {plan.loop} --knob {plan.knob} --why ...",
        )
        return (_of_plan(plan, NoticeKind.QUARANTINE, f"{plan.knob} is quarantined: {request.headline}", details, at),)
    if request.ending == "worse":
        stands = ("what made it worse stands: nothing undoes it", f"mapek explain {plan.plan_id}")
        return (_of_plan(plan, NoticeKind.ESCALATION, request.headline or "it got worse", stands, at),)
    return ()


def _of_plan(plan: Plan, kind: NoticeKind, headline: str, details: tuple[str, ...], at: float) -> Notice:
    return Notice(
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


def _of_block(rule: str, knob: str, reason: str, loop: str) -> Notice:
    # A storm is of the loop as a whole, a freeze of its knob.
    kind, about = GUARDS[rule], knob if rule != "storm" else ""
    what = f"{knob} is frozen" if about else "storm: the loop only observes"
    return Notice(key=_key(loop, rule, about), kind=kind, loop=loop, headline=f"{what}: {reason}", knob=about)


def _key(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
