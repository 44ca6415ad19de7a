"""The Temporal side of Upkeep: what is left to settle, to ask to give way, to close and to throw away."""

import asyncio
from collections import Counter

from temporalio import activity

from activities.analyze.activity import Looking, looking, over
from activities.clients.locks import Locks
from activities.dependencies import LoopParts, Parts
from activities.heartbeat import heartbeating
from activities.knowledge.autonomy import changes, earned
from activities.knowledge.recheck import next_recheck, rechecked
from activities.model.audit import AuditEntry
from activities.model.baseline import AdaptiveLimits
from activities.model.cycle import PlanBrief
from activities.model.errors import MapekError
from activities.model.guards import GuardState
from activities.model.intake import Resting, Upkeep, UpkeepRequest, Yielding
from activities.model.notice import NoticeKind
from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.model.remediation import Yield
from activities.monitor.adaptive import DAYS
from activities.monitor.adaptive_limits import due, learned, past_span
from activities.monitor.judgement import judge
from activities.monitor.own_changes import done_keys
from activities.monitor.queries import values_queries
from activities.monitor.rules import rules_of
from activities.plan.guards.storm import watched_storm
from activities.upkeep.checks import Look, looked_again
from activities.upkeep.current_state import Seen, seen_of
from activities.upkeep.shadow_scores import scored

QUIET = 600.0
"""Seconds without a violation after which an incident is over."""
DAY = 86400.0
LEARNING = 8.0
"""Seconds that making adaptive limits may take: what is left to settle must not wait for a slow Prometheus."""


class UpkeepActivities:
    """Looks after what cycles and remediations leave behind."""

    def __init__(self, parts: Parts, locks: Locks) -> None:
        self.parts = parts
        self.store = parts.store
        self.locks = locks

    @activity.defn(name="upkeep")
    async def upkeep(self, request: UpkeepRequest) -> Upkeep:
        """Return the leftovers and the plans that wait for nothing; score shadows, look again at successes, close and
        expire what is over.

        Raises:
            StoreUnavailable, Unreachable: the next round tries again.
        """
        async with heartbeating():
            settings, now = self.parts.loop(request.loop).settings, self.parts.clock()
            leftovers, resting, blocking = await self.leftovers(request.loop, settings.charter)
            look = looking(self.parts.loop(request.loop), self.parts.clock)
            yielding = (*blocking, *await self.recovered(request.loop, look))
            await self.score(request.loop, look)
            await self.tell_trust(request.loop)
            await self.close_notices(request.loop, settings.charter)
            closed = await self.store.guards.close_quiet(settings.charter, now - QUIET)
            expired = await self.store.snapshots.expire(now, settings.knowledge.snapshot_days * DAY)
            told = await self.recheck(request.loop, now, look) + await self.learn(request.loop, now)
            told += await self.calm(request.loop, now, look)
            return Upkeep(
                headline=f"{len(leftovers)} leftovers, {len(yielding)} to give way, {closed} incidents closed{told}",
                leftovers=leftovers,
                yielding=yielding,
                closed=closed,
                expired=expired,
                resting=resting,
            )

    async def calm(self, name: str, now: float, look: Looking) -> str:
        """Look whether the loop's storm is over; return what to add to the headline. Healthy cycles ask no store."""
        loop, guards = self.parts.loop(name), self.store.guards
        standing = await guards.storm(name)
        if standing is None:
            return ""
        source = await look()
        storm = watched_storm(standing, source, judge(source), loop.settings.plan.storm)
        if storm != standing:
            await guards.set_storm(loop.settings.charter, name, storm, now)
        return "; still in a storm" if storm else "; the storm is over"

    async def learn(self, name: str, now: float) -> str:
        """Make a new version of the adaptive limits if it is time; return what to add to the headline.

        A Prometheus that does not answer now leaves the standing version in force: the next round tries again.
        """
        loop = self.parts.loop(name)
        if loop.limits is None:
            return ""
        standing, monitor = await loop.limits.newest(), loop.settings.monitor
        troubled = bool((await self.store.guards.state(loop.settings.charter, self.parts.clock())).incidents)
        if not due(standing, now, monitor.adaptive_refresh, troubled):
            return ""
        try:
            async with asyncio.timeout(LEARNING):
                limits = await limits_from(loop, now)
        except (MapekError, TimeoutError) as error:
            activity.logger.warning("adaptive limits cannot be made: %s", str(error) or f"not within {LEARNING:g} s")
            return "; adaptive limits could not be made"
        version = await loop.limits.put(limits)
        return f"; {len(limits.limits)} adaptive limits, version {version[:12]}"

    async def leftovers(
        self, loop: str, charter: str
    ) -> tuple[tuple[PlanBrief, ...], tuple[Resting, ...], tuple[Yielding, ...]]:
        """Return the loop's plans that no outcome and no remediation answers for, and who is in their way.

        Whoever rests on their knobs has recorded its own outcome, and whoever waits for an approval has done nothing
        yet: neither must keep what stands from being taken back.
        """
        left, resting, yielding = [], [], []
        shown = await self.shown(loop)
        stands = {plan_id for plan_id, _ in shown}
        for plan in await self.unanswered(loop, charter, shown):
            holder = await self.locks.holder(plan.workflow_id)
            if holder and holder.resting:
                resting.append(Resting(workflow_id=plan.workflow_id, run_id=holder.run_id))
            if holder is None or holder.resting:
                left.append(PlanBrief.of(plan))
            elif holder.waiting and plan.plan_id in stands:
                why = f"plan {plan.plan_id} was done late on this knob, and is taken back first"
                signal = Yield(plan=holder.waiting, ending="superseded", why=why)
                yielding.append(Yielding(workflow_id=plan.workflow_id, signal=signal))
        return tuple(left), tuple(dict.fromkeys(resting)), tuple(yielding)

    async def unanswered(self, loop: str, charter: str, shown: frozenset[tuple[str, int]]) -> list[Plan]:
        """Return the loop's plans that may stand without an outcome, that were done late, or that never came to begin.

        The last ones were terminated before they sent anything; their rungs would hold their incident open for ever.
        """
        plans = await self.store.plans.open_plans(charter, shown)
        state = await self.store.guards.state(charter, self.parts.clock())
        begun = {rung.plan_id for incident in state.incidents for rung in incident.rungs if not rung.ending}
        others = [
            await self.store.plans.get(plan_id)
            for plan_id in sorted(begun - {plan.plan_id for plan in plans})
            if await self.store.outcomes.of_plan(plan_id) is None
        ]
        return [plan for plan in (*plans, *others) if plan.loop == loop]

    async def shown(self, loop: str) -> frozenset[tuple[str, int]]:
        """Return (plan id, step) of what Charter shows as done by us; nothing if it cannot be asked now."""
        charter = self.parts.loop(loop).charter
        try:
            return done_keys(*await asyncio.gather(charter.committee(), charter.policies()))
        except MapekError as error:
            activity.logger.warning("late effects cannot be looked for: %s", error)
            return frozenset()

    async def recovered(self, loop: str, look: Looking) -> tuple[Yielding, ...]:
        """Return the plans that wait for approval while none of their violations is left, seen and not assumed."""
        waiting = [p for p in await self.store.plans.unsettled(loop) if p.needs_approval and await self.waits(p)]
        if not waiting:
            return ()
        seen = seen_of(await look())
        return tuple(
            Yielding(
                workflow_id=plan.workflow_id,
                signal=Yield(plan=plan.plan_id, ending="recovered", why="its violations are gone"),
            )
            for plan in waiting
            if seen.gone(plan.verification.targets)
        )

    async def score(self, loop: str, look: Looking) -> None:
        """Score the shadow decisions that are due; one that cannot be judged for ten minutes tells nothing."""
        now = self.parts.clock()
        due = await self.store.trust.due(loop, now)
        if not due:
            return
        seen = seen_of(await look())
        for shadow in due:
            mark = scored(shadow, seen)
            if mark or now > shadow.due_at + QUIET:
                await self.store.trust.score(shadow, mark, now)

    async def recheck(self, loop: str, now: float, look: Looking) -> str:
        """Look again at the successes that are due; return what to add to the headline.

        What cannot be seen now is looked at in the next round.
        """
        due = await self.store.outcomes.to_recheck(loop, now)
        if not due:
            return ""
        seen = seen_of(await look())
        looks = Counter([await self.look_again(outcome, seen, now) for outcome in due])
        return "; looked again: " + ", ".join(f"{count} {look}" for look, count in sorted(looks.items()))

    async def look_again(self, outcome: Outcome, seen: Seen, now: float) -> Look:
        """Look again at one success, and relabel it if its trouble is back."""
        plan, knowledge = await self.store.plans.get(outcome.plan_id), self.parts.loop(outcome.loop).settings.knowledge
        left = max(effect.generation for effect in await self.store.plans.effects(plan.plan_id))
        look = looked_again(plan, outcome, left, seen)
        if look is Look.UNSEEN:
            return look
        after = rechecked(outcome, look is Look.RELAPSED, now, knowledge)
        following = None if look is Look.MOVED else next_recheck(after, knowledge)
        text = f"{look} {now - outcome.at:.0f} s after it was called {outcome.ending}"
        row = AuditEntry(at=now, kind="recheck", loop=plan.loop, plan_id=plan.plan_id, knob=plan.knob, text=text)
        await self.store.outcomes.relabel(after, following, row)
        return look

    async def tell_trust(self, loop: str) -> None:
        """Note in the audit which trust rose or fell by the marks that came in since the last round."""
        trust, settings = self.store.trust, self.parts.loop(loop).settings
        fresh = await trust.untold(loop)
        if not fresh:
            return
        evidence, rules = await trust.evidence(loop), settings.knowledge.autonomy
        before = earned(evidence[:-fresh], settings.first_level, rules)
        for line in changes(before, earned(evidence, settings.first_level, rules)):
            await self.store.audit.append(AuditEntry(at=self.parts.clock(), kind="autonomy", loop=loop, text=line))
        await trust.told(loop, fresh)

    async def close_notices(self, loop: str, charter: str) -> None:
        """Close what people were told of and is over: not seen any more, released, or ended without telling so."""
        notices, now = self.store.notices, self.parts.clock()
        await notices.close_quiet(loop, now - QUIET, now)
        standing = await notices.open_now(loop)
        guards = await self.store.guards.state(charter, now) if standing else GuardState()
        for notice in standing:
            if notice.kind is NoticeKind.QUARANTINE and not guards.knob(notice.knob).quarantined:
                await notices.close(notice.plan, (notice.kind,), "released", now)
            elif notice.kind is NoticeKind.APPROVAL and (ended := await self.store.outcomes.of_plan(notice.plan)):
                await notices.close(notice.plan, (notice.kind,), ended.ending, now)

    async def waits(self, plan: Plan) -> bool:
        """Tell whether the plan's remediation runs and has not touched Charter yet."""
        rows = await self.store.audit.of_plan(plan.plan_id)
        return not any(row.kind == "attempt" for row in rows) and await self.locks.held(plan.workflow_id)


async def limits_from(loop: LoopParts, now: float) -> AdaptiveLimits:
    """Return the adaptive limits as of `now` (unix seconds), from range data of the last hours and of earlier days.

    Raises: whatever Prometheus answers with.
    """
    monitor = loop.settings.monitor
    rules = tuple(rule for rule in rules_of(monitor) if rule.adaptive)
    queries = values_queries(rules, monitor.rate_window, loop.settings.most_components)
    span = past_span(now, max(monitor.adaptive_step, monitor.scrape_interval))
    spans = (span, *(span.days_ago(back) for back in range(1, DAYS + 1)))
    answers = [await over(loop, queries, (one.first, one.last, one.step)) for one in spans]
    return learned(loop.settings.name, span, rules, answers[0], answers[1:])
