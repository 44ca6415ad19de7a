"""The Temporal side of Upkeep: what is left to settle, to ask to give way, to close and to throw away."""

import asyncio
from collections import Counter

from temporalio import activity

from activities.analyze.diagnose import diagnose
from activities.clients.remediation_locks import RemediationLocks
from activities.dependencies import Dependencies
from activities.heartbeat import background_heartbeat
from activities.knowledge.autonomy import compute_autonomy, level_changes
from activities.knowledge.recheck import apply_recheck, next_recheck_at
from activities.model.audit import AuditEntry
from activities.model.cycle import PlanSummary
from activities.model.errors import MapekError
from activities.model.guard_state import GuardState
from activities.model.intake import CoolingRemediation, UpkeepRequest, UpkeepResult, YieldOrder
from activities.model.notification import NotificationKind
from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.model.remediation import YieldRequest
from activities.model.remediation_outcome import RemediationOutcome
from activities.model.types import DAY_SECONDS
from activities.monitor.adaptive_limits import is_refresh_due
from activities.monitor.current_state import CurrentState, build_current_state
from activities.monitor.judgement import judge
from activities.monitor.own_changes import own_applied_steps
from activities.plan.guards.storm import build_trouble_scope, derive_storm, explained_components
from activities.readings.adaptive_limits import compute_limits
from activities.readings.analysis_input import InputLoader, make_input_loader
from activities.upkeep.checks import RecheckResult, classify_recheck, score_shadow

INCIDENT_QUIET_SECONDS = 600.0
"""Seconds without a violation after which an incident is over."""
LEARN_TIMEOUT_SECONDS = 8.0
"""Seconds that making adaptive limits may take: what is left to settle must not wait for a slow Prometheus."""


class UpkeepActivities:
    """Looks after what cycles and remediations leave behind."""

    def __init__(self, dependencies: Dependencies, locks: RemediationLocks) -> None:
        self.dependencies = dependencies
        self.store = dependencies.store
        self.locks = locks

    @activity.defn(name="upkeep")
    async def upkeep(self, request: UpkeepRequest) -> UpkeepResult:
        """Return the leftovers and the plans that wait for nothing; score shadows, look again at successes, close and
        expire what is over.

        Raises:
            StoreUnavailable, Unreachable: the next round tries again.
        """
        async with background_heartbeat():
            settings, now = self.dependencies.loop(request.loop).settings, self.dependencies.clock()
            leftovers, resting, blocking = await self.find_leftovers(request.loop, settings.charter)
            look = make_input_loader(self.dependencies.loop(request.loop), self.dependencies.clock)
            yielding = (*blocking, *await self.find_recovered(request.loop, look))
            await self.score_shadows(request.loop, look)
            await self.audit_level_changes(request.loop)
            await self.close_notifications(request.loop, settings.charter)
            closed = await self.store.guards.close_quiet(settings.charter, now - INCIDENT_QUIET_SECONDS)
            expired = await self.store.snapshots.expire(now, settings.knowledge.snapshot_days * DAY_SECONDS)
            told = await self.recheck_successes(request.loop, now, look) + await self.refresh_limits(request.loop, now)
            told += await self.update_storm(request.loop, now, look)
            return UpkeepResult(
                headline=f"{len(leftovers)} leftovers, {len(yielding)} to give way, {closed} incidents closed{told}",
                leftovers=leftovers,
                yield_orders=yielding,
                closed=closed,
                expired=expired,
                cooling_remediations=resting,
            )

    async def update_storm(self, loop_name: str, now: float, load_input: InputLoader) -> str:
        """Look whether the loop's storm is over; return what to add to the headline. Healthy cycles ask no store."""
        loop, guards = self.dependencies.loop(loop_name), self.store.guards
        standing = await guards.load_storm(loop_name)
        if standing is None:
            return ""
        source = await load_input()
        diagnosis = diagnose(source, loop.settings.analyze)
        scope = build_trouble_scope(source, diagnosis, explained_components(diagnosis))
        storm = derive_storm(standing, scope, loop_name, source.at, loop.settings.plan.storm)
        if storm != standing:
            await guards.set_storm(loop.settings.charter, loop_name, storm, now)
        return "; still in a storm" if storm else "; the storm is over"

    async def refresh_limits(self, loop_name: str, now: float) -> str:
        """Make a new version of the adaptive limits if it is time; return what to add to the headline.

        A Prometheus that does not answer now leaves the standing version in force: the next round tries again.
        """
        loop = self.dependencies.loop(loop_name)
        if loop.limits is None:
            return ""
        standing, monitor = await loop.limits.load_newest(), loop.settings.monitor
        troubled = bool(
            (await self.store.guards.load_state(loop.settings.charter, self.dependencies.clock())).incidents
        )
        if not is_refresh_due(standing, now, monitor.adaptive_refresh, troubled):
            return ""
        try:
            async with asyncio.timeout(LEARN_TIMEOUT_SECONDS):
                limits = await compute_limits(loop, now)
        except (MapekError, TimeoutError) as error:
            activity.logger.warning(
                "adaptive limits cannot be made: %s", str(error) or f"not within {LEARN_TIMEOUT_SECONDS:g} s"
            )
            return "; adaptive limits could not be made"
        version = await loop.limits.put(limits)
        return f"; {len(limits.limits)} adaptive limits, version {version[:12]}"

    async def find_leftovers(
        self, loop: str, charter: str
    ) -> tuple[tuple[PlanSummary, ...], tuple[CoolingRemediation, ...], tuple[YieldOrder, ...]]:
        """Return the loop's plans that no outcome and no remediation answers for, and who is in their way.

        Whoever rests on their knobs has recorded its own outcome, and whoever waits for an approval has done nothing
        yet: neither must keep what stands from being taken back.
        """
        left, resting, yielding = [], [], []
        shown = await self.read_own_changes(loop)
        stands = {plan_id for plan_id, _ in shown}
        for plan in await self.find_unresolved_plans(loop, charter, shown):
            holder = await self.locks.find_holder(plan.workflow_id)
            if holder and holder.cooling_down:
                resting.append(CoolingRemediation(workflow_id=plan.workflow_id, run_id=holder.run_id))
            if holder is None or holder.cooling_down:
                left.append(PlanSummary.from_plan(plan))
            elif holder.pending_plan_id and plan.plan_id in stands:
                why = f"plan {plan.plan_id} was done late on this knob, and is taken back first"
                signal = YieldRequest(plan=holder.pending_plan_id, outcome=RemediationOutcome.SUPERSEDED, reason=why)
                yielding.append(YieldOrder(workflow_id=plan.workflow_id, signal=signal))
        return tuple(left), tuple(dict.fromkeys(resting)), tuple(yielding)

    async def find_unresolved_plans(
        self, loop: str, charter: str, own_changes: frozenset[tuple[str, int]]
    ) -> list[Plan]:
        """Return the loop's plans that may stand without an outcome, that were done late, or that never came to begin.

        The last ones were terminated before they sent anything; their rungs would hold their incident open for ever.
        """
        plans = await self.store.plans.load_unresolved(charter, own_changes)
        state = await self.store.guards.load_state(charter, self.dependencies.clock())
        begun = {rung.plan_id for incident in state.incidents for rung in incident.rungs if not rung.outcome}
        others = [
            await self.store.plans.get(plan_id)
            for plan_id in sorted(begun - {plan.plan_id for plan in plans})
            if await self.store.outcomes.load_for_plan(plan_id) is None
        ]
        return [plan for plan in (*plans, *others) if plan.loop == loop]

    async def read_own_changes(self, loop: str) -> frozenset[tuple[str, int]]:
        """Return (plan id, step) of what Charter shows as done by us; nothing if it cannot be asked now."""
        charter = self.dependencies.loop(loop).charter
        try:
            return own_applied_steps(*await asyncio.gather(charter.fetch_committee(), charter.fetch_policies()))
        except MapekError as error:
            activity.logger.warning("late effects cannot be looked for: %s", error)
            return frozenset()

    async def find_recovered(self, loop: str, load_input: InputLoader) -> tuple[YieldOrder, ...]:
        """Return the plans that wait for approval while none of their violations is left, seen and not assumed."""
        waiting = [
            p for p in await self.store.plans.load_unsettled(loop) if p.needs_approval and await self.awaits_approval(p)
        ]
        if not waiting:
            return ()
        seen = await load_current_state(load_input)
        return tuple(
            YieldOrder(
                workflow_id=plan.workflow_id,
                signal=YieldRequest(plan=plan.plan_id, outcome=RemediationOutcome.RECOVERED, reason="its violations are gone"),
            )
            for plan in waiting
            if seen.are_resolved(plan.verification.targets)
        )

    async def score_shadows(self, loop: str, load_input: InputLoader) -> None:
        """Score the shadow decisions that are due; one that cannot be judged for ten minutes tells nothing."""
        now = self.dependencies.clock()
        due = await self.store.autonomy.load_due_shadows(loop, now)
        if not due:
            return
        seen = await load_current_state(load_input)
        for shadow in due:
            mark = score_shadow(shadow, seen)
            if mark or now > shadow.due_at + INCIDENT_QUIET_SECONDS:
                await self.store.autonomy.record_score(shadow, mark, now)

    async def recheck_successes(self, loop: str, now: float, load_input: InputLoader) -> str:
        """Look again at the successes that are due; return what to add to the headline.

        What cannot be seen now is looked at in the next round.
        """
        due = await self.store.outcomes.load_due_rechecks(loop, now)
        if not due:
            return ""
        seen = await load_current_state(load_input)
        looks = Counter([await self.recheck_outcome(outcome, seen, now) for outcome in due])
        return "; looked again: " + ", ".join(f"{count} {look}" for look, count in sorted(looks.items()))

    async def recheck_outcome(self, outcome: Outcome, state: CurrentState, now: float) -> RecheckResult:
        """Look again at one success, and relabel it if its trouble is back."""
        plan, knowledge = (
            await self.store.plans.get(outcome.plan_id),
            self.dependencies.loop(outcome.loop).settings.knowledge,
        )
        left = max(effect.generation for effect in await self.store.plans.load_effects(plan.plan_id))
        look = classify_recheck(plan, outcome, left, state)
        if look is RecheckResult.UNKNOWN:
            return look
        after = apply_recheck(outcome, look is RecheckResult.RELAPSED, now, knowledge)
        following = None if look is RecheckResult.MOVED else next_recheck_at(after, knowledge)
        text = f"{look} {now - outcome.at:.0f} s after it was called {outcome.outcome}"
        row = AuditEntry(at=now, kind="recheck", loop=plan.loop, plan_id=plan.plan_id, knob=plan.knob, summary=text)
        await self.store.outcomes.relabel(after, following, row)
        return look

    async def audit_level_changes(self, loop: str) -> None:
        """Note in the audit which trust rose or fell by the marks that came in since the last round."""
        trust, settings = self.store.autonomy, self.dependencies.loop(loop).settings
        fresh = await trust.count_unaudited(loop)
        if not fresh:
            return
        evidence, rules = await trust.load_evidence(loop), settings.knowledge.autonomy
        before = compute_autonomy(evidence[:-fresh], settings.initial_level, rules)
        for line in level_changes(before, compute_autonomy(evidence, settings.initial_level, rules)):
            await self.store.audit.append(
                AuditEntry(at=self.dependencies.clock(), kind="autonomy", loop=loop, summary=line)
            )
        await trust.mark_audited(loop, fresh)

    async def close_notifications(self, loop: str, charter: str) -> None:
        """Close what people were told of and is over: not seen any more, released, or ended without telling so."""
        notices, now = self.store.notifications, self.dependencies.clock()
        await notices.close_quiet(loop, now - INCIDENT_QUIET_SECONDS, now)
        standing = await notices.load_open(loop)
        guards = await self.store.guards.load_state(charter, now) if standing else GuardState()
        for notice in standing:
            if notice.kind is NotificationKind.QUARANTINE and not guards.knob(notice.knob).quarantined:
                await notices.close(notice.plan, (notice.kind,), "released", now)
            elif notice.kind is NotificationKind.APPROVAL and (
                ended := await self.store.outcomes.load_for_plan(notice.plan)
            ):
                await notices.close(notice.plan, (notice.kind,), ended.outcome, now)

    async def awaits_approval(self, plan: Plan) -> bool:
        """Tell whether the plan's remediation runs and has not touched Charter yet."""
        rows = await self.store.audit.load_for_plan(plan.plan_id)
        return not any(row.kind == "attempt" for row in rows) and await self.locks.is_held(plan.workflow_id)


async def load_current_state(load_input: InputLoader) -> CurrentState:
    """Return the present state."""
    analysis_input = await load_input()
    return build_current_state(analysis_input, judge(analysis_input))
