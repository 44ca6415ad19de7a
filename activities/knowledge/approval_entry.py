"""The audit row of an operator's decision on a plan."""

from activities.model.audit import AuditEntry, AuditKind
from activities.model.plan import Plan
from activities.model.remediation import Approval
from activities.model.types import truncate


def build_approval_entry(approval: Approval, plan: Plan, now: float) -> AuditEntry:
    """Return the audit row of an approval or a rejection, as of `now` (unix seconds)."""
    return AuditEntry(
        at=now,
        kind=AuditKind.APPROVAL,
        loop=plan.loop,
        plan_id=plan.plan_id,
        knob=plan.knob,
        actor=approval.actor,
        summary=truncate(f"{'approved' if approval.approve else 'rejected'}: {approval.reason}"),
    )
