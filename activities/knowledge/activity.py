"""The Temporal side of Knowledge: the outcome, exactly once, and the release of a quarantined knob."""

from temporalio import activity

from activities.dependencies import Dependencies
from activities.knowledge.approval_entry import build_approval_entry
from activities.knowledge.autonomy import evidence_kind_for
from activities.knowledge.classify import classify_outcome
from activities.knowledge.cooldown import cool_down_seconds
from activities.knowledge.recheck import next_recheck_at
from activities.model.notification import NotificationKind
from activities.model.outcome import Outcome, OutcomeTransaction
from activities.model.plan import Plan
from activities.model.remediation import RecordRequest, RecordResult, ReleaseRequest
from activities.model.remediation_outcome import consequences_of
from activities.model.types import with_outcome_prefix
from activities.notify.events import notifications_for_outcome


class KnowledgeActivities:
    """Writes down how remediations end."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    @activity.defn(name="record")
    async def record(self, request: RecordRequest) -> RecordResult:
        """Record the ending, with the knob's rest and quarantine, in one transaction; a repeat changes nothing.

        Raises:
            NotFound: no such plan.
            Superseded: this attempt was held up, and its plan went on since.
            StoreUnavailable: retried until it can be written; the knob stays locked meanwhile.
        """
        plan, now = await self.dependencies.store.plans.get(request.plan_id), self.dependencies.clock()
        if request.answer:
            await self.dependencies.store.audit.append_once(build_approval_entry(request.answer, plan, now))
        rest, outcome = cool_down_seconds(request.outcome, plan.cool_downs), build_outcome(plan, request, now)
        knowledge = self.dependencies.loop(plan.loop).settings.knowledge
        stands = await self.dependencies.store.close_remediation(
            OutcomeTransaction(
                outcome=outcome,
                cooldown_until=now + rest if rest else 0.0,
                cooldown_reason=f"{request.outcome} by plan {plan.plan_id}",
                quarantine_reason=request.undo_failed,
                close_incident=consequences_of(request.outcome).closes_incident,
                history_limit=knowledge.outcome_history_limit,
                # A person's undo is no idea of the loop's.
                evidence_kind=None if plan.requested_by else evidence_kind_for(outcome.type, bool(request.undo_failed)),
                recheck_at=next_recheck_at(outcome, knowledge),
                unapplied_steps=request.unapplied_steps,
            )
        )
        await self.update_notifications(plan, request, now)
        return RecordResult(
            headline=stands.headline,
            outcome=stands.outcome,
            cool_down=cool_down_seconds(stands.outcome, plan.cool_downs),
            quarantined=bool(request.undo_failed),
            loop=plan.loop,
        )

    async def update_notifications(self, plan: Plan, request: RecordRequest, now: float) -> None:
        """Tell people that nobody has to answer any more, and of what only a person can put right."""
        notices = self.dependencies.store.notifications
        await notices.close(
            plan.plan_id, (NotificationKind.APPROVAL,), with_outcome_prefix(request.outcome, request.headline), now
        )
        for notice in notifications_for_outcome(plan, request, now):
            await notices.open_or_touch(notice)

    @activity.defn(name="release")
    async def release(self, request: ReleaseRequest) -> None:
        """Release the quarantined knob of a plan in the store, with who and why in the audit."""
        plan = await self.dependencies.store.plans.get(request.plan_id)
        await self.dependencies.store.guards.release(
            plan.charter, plan.knob, request.actor, request.reason, self.dependencies.clock()
        )


def build_outcome(plan: Plan, request: RecordRequest, now: float) -> Outcome:
    """Return what Knowledge keeps of the remediation, as of `now` (unix seconds)."""
    kind, value = classify_outcome(request.outcome, request.before, request.after)
    return Outcome(
        plan_id=plan.plan_id,
        loop=plan.loop,
        charter=plan.charter,
        knob=plan.knob,
        actions=tuple(action.type for action in plan.actions),
        cause=plan.cause,
        component=plan.component,
        outcome=request.outcome,
        type=kind,
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
