"""The Temporal side of Knowledge: the outcome, exactly once, and the release of a quarantined knob."""

from temporalio import activity

from activities.dependencies import Parts
from activities.knowledge.approval_entry import entry_of
from activities.knowledge.autonomy import mark_of
from activities.knowledge.classify import classify
from activities.knowledge.cooldown import cool_down
from activities.knowledge.recheck import next_recheck
from activities.model.notice import NoticeKind
from activities.model.outcome import Ending, Outcome
from activities.model.plan import Plan
from activities.model.remediation import Recorded, RecordRequest, ReleaseRequest
from activities.model.types import headed
from activities.notify.events import of_ending

CLOSING = frozenset({"fixed", "recovered"})
"""Endings after which the incident is over; any other one is closed when its violations stay away."""


class KnowledgeActivities:
    """Writes down how remediations end."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @activity.defn(name="record")
    async def record(self, request: RecordRequest) -> Recorded:
        """Record the ending, with the knob's rest and quarantine, in one transaction; a repeat changes nothing.

        Raises:
            NotFound: no such plan.
            Superseded: this attempt was held up, and its plan went on since.
            StoreUnavailable: retried until it can be written; the knob stays locked meanwhile.
        """
        plan, now = await self.parts.store.plans.get(request.plan_id), self.parts.clock()
        if request.answer:
            await self.parts.store.audit.append_once(entry_of(request.answer, plan, now))
        rest, outcome = cool_down(request.ending, plan.cool_downs), outcome_of(plan, request, now)
        knowledge = self.parts.loop(plan.loop).settings.knowledge
        stands = await self.parts.store.finish(
            Ending(
                outcome=outcome,
                cooldown_until=now + rest if rest else 0.0,
                cooldown_why=f"{request.ending} by plan {plan.plan_id}",
                quarantine_why=request.undo_failed,
                close_incident=request.ending in CLOSING,
                keep=knowledge.outcome_history_limit,
                # A person's undo is no idea of the loop's.
                mark=None if plan.requested_by else mark_of(outcome.type, bool(request.undo_failed)),
                recheck_at=next_recheck(outcome, knowledge),
                absent=request.absent,
            )
        )
        await self.tell(plan, request, now)
        return Recorded(
            headline=stands.headline,
            ending=stands.ending,
            cool_down=cool_down(stands.ending, plan.cool_downs),
            quarantined=bool(request.undo_failed),
            loop=plan.loop,
        )

    async def tell(self, plan: Plan, request: RecordRequest, now: float) -> None:
        """Tell people that nobody has to answer any more, and of what only a person can put right."""
        notices = self.parts.store.notices
        await notices.close(plan.plan_id, (NoticeKind.APPROVAL,), headed(request.ending, request.headline), now)
        for notice in of_ending(plan, request, now):
            await notices.open(notice)

    @activity.defn(name="release")
    async def release(self, request: ReleaseRequest) -> None:
        """Release the quarantined knob of a plan in the store, with who and why in the audit."""
        plan = await self.parts.store.plans.get(request.plan_id)
        await self.parts.store.guards.release(plan.charter, plan.knob, request.who, request.why, self.parts.clock())


def outcome_of(plan: Plan, request: RecordRequest, now: float) -> Outcome:
    """Return what Knowledge keeps of the remediation, as of `now` (unix seconds)."""
    kind, value = classify(request.ending, request.before, request.after)
    return Outcome(
        plan_id=plan.plan_id,
        loop=plan.loop,
        charter=plan.charter,
        knob=plan.knob,
        actions=tuple(action.type for action in plan.actions),
        cause=plan.cause,
        component=plan.component,
        ending=request.ending,
        type=kind,
        value=value,
        before=request.before,
        after=request.after,
        at=now,
        seconds=request.seconds,
        headline=request.headline,
        ended=request.ended,
        outlasted=request.outlasted,
        grounds=plan.grounds,
    )
