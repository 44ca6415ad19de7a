"""The Temporal side of Upkeep: leftovers, yield orders, rechecks, shadow scores, limits and retention."""

import asyncio
from collections import Counter

from temporalio import activity

from activities.analyze.diagnose import diagnose
from activities.clients.remediation_locks import RemediationLocks
from activities.dependencies import Dependencies
from activities.heartbeat import background_heartbeat
from activities.knowledge.autonomy import compute_autonomy, level_changes
from activities.knowledge.recheck import apply_recheck, next_recheck_at
from activities.model.audit import AuditEntry, AuditKind
from activities.model.cycle import PlanSummary
from activities.model.errors import MapekError
from activities.model.guard_state import GuardState
from activities.model.incident import INCIDENT_QUIET_SECONDS
from activities.model.notification import NotificationKind
from activities.model.outcome import Outcome
from activities.model.plan import Plan
from activities.model.remediation import YieldRequest
from activities.model.remediation_outcome import RemediationOutcome
from activities.model.types import DAY_SECONDS
from activities.model.upkeep import CoolingRemediation, UpkeepRequest, UpkeepResult, YieldOrder
from activities.monitor.adaptive_limits import is_refresh_due
from activities.monitor.current_state import CurrentState, build_current_state
from activities.monitor.judgement import judge
from activities.monitor.own_changes import own_applied_steps
from activities.plan.guards.storm import judge_storm
from activities.readings.adaptive_limits import compute_limits
from activities.readings.analysis_input import InputLoader, make_input_loader
from activities.upkeep.checks import RecheckResult, classify_recheck, score_shadow

LEARN_TIMEOUT_SECONDS = 8.0
"""Time-out of computing adaptive limits, in seconds: leftovers must not wait for a slow Prometheus."""


class UpkeepActivities:
    """Does the work that cycles and remediations leave."""

    def __init__(self, dependencies: Dependencies, locks: RemediationLocks) -> None:
        self.dependencies = dependencies
        self.store = dependencies.store
        self.locks = locks

    @activity.defn(name="upkeep")
    async def upkeep(self, request: UpkeepRequest) -> UpkeepResult:
        """Run one round: return leftovers and yield orders; score, recheck, close and expire what is due.

        Raises:
            StoreUnavailable, Unreachable: The next round tries again.
        """
        async with background_heartbeat():
            settings, now = self.dependencies.loop(request.loop).settings, self.dependencies.clock()
            leftovers, cooling, yield_orders = await self.find_leftovers(request.loop, settings.charter)
            load_input = make_input_loader(self.dependencies.loop(request.loop), self.dependencies.clock)
            yield_orders += await self.find_recovered(request.loop, load_input)
            await self.score_shadows(request.loop, load_input)
            await self.audit_level_changes(request.loop)
            await self.close_notifications(request.loop, settings.charter)
            closed = await self.store.guards.close_quiet(settings.charter, now - INCIDENT_QUIET_SECONDS)
            expired = await self.store.snapshots.expire(now, settings.knowledge.snapshot_days * DAY_SECONDS)
            notes = (
                f"{len(leftovers)} leftovers, {len(yield_orders)} yield orders, {closed} incidents closed",
                await self.recheck_successes(request.loop, now, load_input),
                await self.refresh_limits(request.loop, now),
                await self.update_storm(request.loop, now, load_input),
            )
            return UpkeepResult(
                headline="; ".join(note for note in notes if note),
                leftovers=leftovers,
                yield_orders=yield_orders,
                closed=closed,
                expired=expired,
                cooling_remediations=cooling,
            )

    async def update_storm(self, loop_name: str, now: float, load_input: InputLoader) -> str:
        """Update the loop's storm, if any; return a note for the headline. A healthy cycle does not read the store."""
        loop, guards = self.dependencies.loop(loop_name), self.store.guards
        current_storm = await guards.load_storm(loop_name)
        if current_storm is None:
            return ""
        analysis_input = await load_input()
        diagnosis = diagnose(analysis_input, loop.settings.analyze)
        storm = judge_storm(current_storm, analysis_input, diagnosis, loop_name, loop.settings.plan.storm)
        if storm != current_storm:
            await guards.set_storm(loop.settings.charter, loop_name, storm, now)
        return "still in a storm" if storm else "the storm is over"

    async def refresh_limits(self, loop_name: str, now: float) -> str:
        """Compute a new version of the adaptive limits if it is due; return a note for the headline.

        While Prometheus does not answer, the present version stays in force and the next round tries again.
        """
        loop = self.dependencies.loop(loop_name)
        if loop.limits is None:
            return ""
        newest, guards = await loop.limits.load_newest(), await self.store.guards.load_state(loop.settings.charter, now)
        if not is_refresh_due(newest, now, loop.settings.monitor.adaptive_refresh, bool(guards.incidents)):
            return ""
        try:
            async with asyncio.timeout(LEARN_TIMEOUT_SECONDS):
                limits = await compute_limits(loop, now)
        except (MapekError, TimeoutError) as error:
            reason = str(error) or f"not done within {LEARN_TIMEOUT_SECONDS:g} s"
            activity.logger.warning("adaptive limits are not refreshed: %s", reason)
            return "adaptive limits are not refreshed"
        version = await loop.limits.put(limits)
        return f"{len(limits.limits)} adaptive limits, version {version[:12]}"

    async def find_leftovers(
        self, loop: str, charter: str
    ) -> tuple[tuple[PlanSummary, ...], tuple[CoolingRemediation, ...], tuple[YieldOrder, ...]]:
        """Return the loop's plans without outcome and remediation, and the remediations that hold their knobs.

        A remediation that cools down has recorded its outcome, and one that waits for approval has applied nothing.
        Neither may delay the rollback of a leftover: the first is ended, the second yields.
        """
        leftovers, cooling, yield_orders = [], [], []
        own_changes = await self.read_own_changes(loop)
        applied_plans = {plan_id for plan_id, _ in own_changes}
        for plan in await self.find_unresolved_plans(loop, charter, own_changes):
            holder = await self.locks.find_holder(plan.workflow_id)
            if holder and holder.cooling_down:
                cooling.append(CoolingRemediation(workflow_id=plan.workflow_id, run_id=holder.run_id))
            if holder is None or holder.cooling_down:
                leftovers.append(PlanSummary.from_plan(plan))
            elif holder.pending_plan_id and plan.plan_id in applied_plans:
                reason = f"plan {plan.plan_id} was applied late on this knob and is rolled back first"
                signal = YieldRequest(plan=holder.pending_plan_id, outcome=RemediationOutcome.SUPERSEDED, reason=reason)
                yield_orders.append(YieldOrder(workflow_id=plan.workflow_id, signal=signal))
        return tuple(leftovers), tuple(dict.fromkeys(cooling)), tuple(yield_orders)

    async def find_unresolved_plans(
        self, loop: str, charter: str, own_changes: frozenset[tuple[str, int]]
    ) -> list[Plan]:
        """Return the loop's plans that may be applied without an outcome, were applied late, or never started.

        A plan never started if its remediation was terminated before it sent anything; its rung would keep its incident
        open.
        """
        plans = await self.store.plans.load_unresolved(charter, own_changes)
        state = await self.store.guards.load_state(charter, self.dependencies.clock())
        open_rungs = {rung.plan_id for incident in state.incidents for rung in incident.rungs if not rung.outcome}
        never_started = [
            await self.store.plans.get(plan_id)
            for plan_id in sorted(open_rungs - {plan.plan_id for plan in plans})
            if await self.store.outcomes.load_for_plan(plan_id) is None
        ]
        return [plan for plan in (*plans, *never_started) if plan.loop == loop]

    async def read_own_changes(self, loop: str) -> frozenset[tuple[str, int]]:
        """Return the (plan id, step) of own changes at Charter; none while Charter cannot be read."""
        charter = self.dependencies.loop(loop).charter
        try:
            return own_applied_steps(*await asyncio.gather(charter.fetch_committee(), charter.fetch_policies()))
        except MapekError as error:
            activity.logger.warning("late effects are not searched: %s", error)
            return frozenset()

    async def find_recovered(self, loop: str, load_input: InputLoader) -> tuple[YieldOrder, ...]:
        """Return a yield order for each plan that waits for approval although its targets have recovered."""
        pending = [
            p for p in await self.store.plans.load_unsettled(loop) if p.needs_approval and await self.awaits_approval(p)
        ]
        if not pending:
            return ()
        state = await load_current_state(load_input)
        return tuple(
            YieldOrder(
                workflow_id=plan.workflow_id,
                signal=YieldRequest(
                    plan=plan.plan_id, outcome=RemediationOutcome.RECOVERED, reason="its violations are gone"
                ),
            )
            for plan in pending
            if state.are_resolved(plan.verification.targets)
        )

    async def score_shadows(self, loop: str, load_input: InputLoader) -> None:
        """Score the shadow decisions that are due; one that stays blind for ten minutes gives no evidence."""
        now = self.dependencies.clock()
        due = await self.store.autonomy.load_due_shadows(loop, now)
        if not due:
            return
        state = await load_current_state(load_input)
        for shadow in due:
            evidence_kind = score_shadow(shadow, state)
            if evidence_kind or now > shadow.due_at + INCIDENT_QUIET_SECONDS:
                await self.store.autonomy.record_score(shadow, evidence_kind, now)

    async def recheck_successes(self, loop: str, now: float, load_input: InputLoader) -> str:
        """Recheck the successes that are due; return a note for the headline.

        A success that is not visible is rechecked in the next round.
        """
        due = await self.store.outcomes.load_due_rechecks(loop, now)
        if not due:
            return ""
        state = await load_current_state(load_input)
        results = Counter([await self.recheck_outcome(outcome, state, now) for outcome in due])
        return "rechecked: " + ", ".join(f"{count} {result}" for result, count in sorted(results.items()))

    async def recheck_outcome(self, outcome: Outcome, state: CurrentState, now: float) -> RecheckResult:
        """Recheck one success, and relabel its outcome if it relapsed."""
        knowledge = self.dependencies.loop(outcome.loop).settings.knowledge
        plan = await self.store.plans.get(outcome.plan_id)
        last_generation = max(effect.generation for effect in await self.store.plans.load_effects(plan.plan_id))
        result = classify_recheck(plan, outcome, last_generation, state)
        if result is RecheckResult.UNKNOWN:
            return result
        rechecked = apply_recheck(outcome, result is RecheckResult.RELAPSED, now, knowledge)
        next_at = None if result is RecheckResult.MOVED else next_recheck_at(rechecked, knowledge)
        text = f"{result} {now - outcome.at:.0f} s after the outcome {outcome.outcome}"
        row = AuditEntry(
            at=now, kind=AuditKind.RECHECK, loop=plan.loop, plan_id=plan.plan_id, knob=plan.knob, summary=text
        )
        await self.store.outcomes.relabel(rechecked, next_at, row)
        return result

    async def audit_level_changes(self, loop: str) -> None:
        """Write to the audit which levels rose or fell by the evidence since the last round."""
        store, settings = self.store.autonomy, self.dependencies.loop(loop).settings
        unaudited = await store.count_unaudited(loop)
        if not unaudited:
            return
        evidence, rules = await store.load_evidence(loop), settings.knowledge.autonomy
        previous = compute_autonomy(evidence[:-unaudited], settings.initial_level, rules)
        for line in level_changes(previous, compute_autonomy(evidence, settings.initial_level, rules)):
            await self.store.audit.append(
                AuditEntry(at=self.dependencies.clock(), kind=AuditKind.AUTONOMY, loop=loop, summary=line)
            )
        await store.mark_audited(loop, unaudited)

    async def close_notifications(self, loop: str, charter: str) -> None:
        """Close notifications that are over: quiet, released, or with an outcome recorded."""
        store, now = self.store.notifications, self.dependencies.clock()
        await store.close_quiet(loop, now - INCIDENT_QUIET_SECONDS, now)
        notifications = await store.load_open(loop)
        guards = await self.store.guards.load_state(charter, now) if notifications else GuardState()
        for notification in notifications:
            resolution = ""
            if notification.kind is NotificationKind.QUARANTINE and not guards.knob(notification.knob).quarantined:
                resolution = "released"
            elif notification.kind is NotificationKind.APPROVAL:
                outcome = await self.store.outcomes.load_for_plan(notification.plan)
                resolution = outcome.outcome if outcome else ""
            if resolution:
                await store.close(notification.plan, (notification.kind,), resolution, now)

    async def awaits_approval(self, plan: Plan) -> bool:
        """Return whether the plan's remediation runs and has sent nothing to Charter."""
        rows = await self.store.audit.load_for_plan(plan.plan_id)
        return not any(row.kind is AuditKind.ATTEMPT for row in rows) and await self.locks.is_held(plan.workflow_id)


async def load_current_state(load_input: InputLoader) -> CurrentState:
    """Return the present state."""
    analysis_input = await load_input()
    return build_current_state(analysis_input, judge(analysis_input))
