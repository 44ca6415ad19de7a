"""The Temporal side of Knowledge: record an outcome exactly once, and release a quarantined knob."""

from temporalio import activity

from activities.dependencies import Dependencies
from activities.knowledge.approval_entry import build_approval_entry
from activities.knowledge.autonomy import evidence_kind_for
from activities.knowledge.classify import classify_outcome
from activities.knowledge.recheck import next_recheck_at
from activities.model.notification import NotificationKind
from activities.model.outcome import Outcome, OutcomeTransaction
from activities.model.plan import Plan
from activities.model.remediation import RecordRequest, RecordResult, ReleaseRequest
from activities.model.remediation_outcome import consequences_of
from activities.model.types import with_outcome_prefix
from activities.notify.events import notifications_for_outcome


class KnowledgeActivities:
    """Records the outcomes of remediations."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    @activity.defn(name="record")
    async def record(self, request: RecordRequest) -> RecordResult:
        """Record the outcome, with the knob's cool-down and quarantine, in one transaction; a repeat changes nothing.

        Raises:
            NotFound: The plan does not exist.
            Superseded: This attempt was delayed, and its plan continued since.
            StoreUnavailable: Retried until the store accepts it; the knob stays locked until then.
        """
        plan, now = await self.dependencies.store.plans.get(request.plan_id), self.dependencies.clock()
        if request.answer:
            await self.dependencies.store.audit.append_once(build_approval_entry(request.answer, plan, now))
        cool_down, outcome = plan.cool_downs.seconds_after(request.outcome), build_outcome(plan, request, now)
        knowledge = self.dependencies.loop(plan.loop).settings.knowledge
        recorded = await self.dependencies.store.close_remediation(
            OutcomeTransaction(
                outcome=outcome,
                cool_down_until=now + cool_down if cool_down else 0.0,
                cool_down_reason=f"{request.outcome} by plan {plan.plan_id}",
                quarantine_reason=request.undo_failed,
                close_incident=consequences_of(request.outcome).closes_incident,
                history_limit=knowledge.outcome_history_limit,
                # A plan that an operator requested says nothing about the decisions of the loop.
                evidence_kind=None if plan.requested_by else evidence_kind_for(outcome.type, bool(request.undo_failed)),
                recheck_at=next_recheck_at(outcome, knowledge),
                unapplied_steps=request.unapplied_steps,
            )
        )
        await self.update_notifications(plan, request, now)
        return RecordResult(
            headline=recorded.headline,
            outcome=recorded.outcome,
            cool_down=plan.cool_downs.seconds_after(recorded.outcome),
            quarantined=bool(request.undo_failed),
            loop=plan.loop,
        )

    async def update_notifications(self, plan: Plan, request: RecordRequest, now: float) -> None:
        """Close the request for approval, and notify operators of a state that only they can repair."""
        notifications = self.dependencies.store.notifications
        await notifications.close(
            plan.plan_id, (NotificationKind.APPROVAL,), with_outcome_prefix(request.outcome, request.headline), now
        )
        for notification in notifications_for_outcome(plan, request, now):
            await notifications.open_or_touch(notification)

    @activity.defn(name="release")
    async def release(self, request: ReleaseRequest) -> None:
        """Release the quarantined knob of a plan in the store; the audit keeps actor and reason."""
        plan = await self.dependencies.store.plans.get(request.plan_id)
        await self.dependencies.store.guards.release(
            plan.charter, plan.knob, request.actor, request.reason, self.dependencies.clock()
        )


def build_outcome(plan: Plan, request: RecordRequest, now: float) -> Outcome:
    """Return the outcome of the remediation, as of `now` (unix seconds)."""
    effect_class, value = classify_outcome(request.outcome, request.before, request.after)
    return Outcome(
        plan_id=plan.plan_id,
        loop=plan.loop,
        charter=plan.charter,
        knob=plan.knob,
        actions=tuple(action.type for action in plan.actions),
        cause=plan.cause,
        component=plan.component,
        outcome=request.outcome,
        type=effect_class,
        value=value,
        before=request.before,
        after=request.after,
        at=now,
        seconds=request.seconds,
        headline=request.headline,
        ended_at=request.ended_at,
        problem_persisted=request.problem_persisted,
        evidence_patterns=plan.evidence_patterns,
    )
