"""The Temporal side of preparing: the plan is checked anew before anything is sent, by this worker and by Charter."""

import asyncio

from temporalio import activity

from activities.analyze.activity import gather
from activities.dependencies import Parts
from activities.execute.activity import steps_known
from activities.execute.calls import policy_body
from activities.execute.prepare.preparation import Facts, check, storm_now
from activities.heartbeat import heartbeating
from activities.knowledge.approval_entry import entry_of
from activities.knowledge.autonomy import earned
from activities.model.action import Route
from activities.model.errors import Rejected
from activities.model.incident import Rung
from activities.model.mode import in_force, under
from activities.model.notice import NoticeKind
from activities.model.plan import Plan
from activities.model.remediation import Prepared, PrepareRequest
from activities.model.types import clipped
from activities.monitor.activity import listen, silenced
from activities.monitor.judgement import judge
from activities.notify.events import of_waiting
from activities.plan.activity import error_budget, guards_at


class PrepareActivities:
    """Decides whether a stored plan may be applied now."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.store = parts.store

    @activity.defn(name="prepare")
    async def prepare(self, request: PrepareRequest) -> Prepared:
        """Check the stored plan against this worker's own rules and the present state, and validate it at Charter.

        Raises:
            NotFound: no such plan.
            StoreUnavailable, Unreachable, Overloaded: nothing was changed; a retry may help.
            Superseded: the plan ended while this attempt was held up.
        """
        async with heartbeating():
            plan = await self.store.plans.get(request.plan_id)
            if request.answer:
                entry = entry_of(request.answer, plan, self.parts.clock())
                await self.store.audit.append_once(entry)
                await self.store.notices.close(
                    plan.plan_id, (NoticeKind.APPROVAL,), f"{entry.text}, by {entry.who}", entry.at
                )
            facts = await self.facts(plan, approved=request.answer is not None)
            prepared = check(plan, facts)
            if request.leftover or prepared.ending:
                return prepared
            refusal = await self.refusal(plan)
            if refusal:
                return prepared.model_copy(update={"ending": "failed", "headline": clipped(refusal)})
            rung = Rung(rung=plan.rung, plan_id=plan.plan_id, cause=plan.cause, component=plan.component)
            await self.store.guards.start_rung(plan.charter, plan.knob, (plan.onset, facts.at), rung, request.asked)
            if prepared.needs_approval:
                await self.store.notices.open(of_waiting(plan, prepared, facts.at))
            return prepared

    async def facts(self, plan: Plan, *, approved: bool) -> Facts:
        """Observe again, and recall what guards the knob."""
        loop, now = self.parts.loop(plan.loop), self.parts.clock()
        source, heard = await asyncio.gather(gather(loop, now), listen(loop))
        judged = judge(source)
        guards = await guards_at(self.store, plan.charter, source, now, besides=plan.plan_id)
        mode = await self.store.guards.mode(plan.loop)
        steps = await steps_known(self.store, plan)
        return Facts(
            at=now,
            mode=under(self.parts.switch(), in_force(mode, loop.settings.first_mode, now)),
            guards=guards,
            committee=source.committee,
            policies=None if source.committee is None else source.policies,
            components=len(source.components),
            violated=frozenset(violation.key for violation in judged.violations),
            blind=frozenset(spot.component for spot in judged.blind),
            settings=loop.settings.plan,
            execute=loop.settings.execute,
            autonomy=earned(
                await self.store.trust.evidence(plan.loop),
                loop.settings.first_level,
                loop.settings.knowledge.autonomy,
            ),
            approved=approved,
            standing=steps.standing,
            left=steps.left,
            ended=steps.ended if steps.touched else "",
            storm=storm_now(plan, source, judged, guards, loop.settings.plan.storm),
            silenced=silenced(heard, loop, source.components),
            error_budget=await error_budget(loop, now),
        )

    async def refusal(self, plan: Plan) -> str:
        """Return why Charter refuses one of the plan's policies, empty if it takes them all."""
        charter = self.parts.loop(plan.loop).charter
        for action in plan.actions:
            try:
                if action.route is Route.APPLY and not action.rollback_of:
                    await charter.validate(policy_body(action))
            except Rejected as error:
                return f"Charter refuses {action.text}: {error}"
        return ""
