"""The Temporal side of Plan: take a snapshot, decide, store the decision, return its summary."""

from temporalio import activity

from activities.clients.store.snapshots import SnapshotKind
from activities.decision import decide
from activities.dependencies import Dependencies
from activities.model.audit import AuditEntry, AuditKind
from activities.model.cycle import CycleOutcome, DecisionSummary, PlanRequest, PlanSummary
from activities.model.decision import Decision
from activities.model.errors import NotFound, StoreUnavailable
from activities.model.guard_rule import GuardRule
from activities.model.guard_state import GuardState
from activities.model.mode import with_kill_switch
from activities.model.plan import Plan
from activities.model.snapshot import AnalysisInput, Snapshot
from activities.model.types import truncate
from activities.notify.events import notifications_for_decision
from activities.plan.autonomy import build_shadow_decision
from activities.plan.exploration import cycle_seed
from activities.plan.guards.oscillation import hold_seconds_by_rule
from activities.readings.error_budget import read_error_budget
from activities.readings.guard_state import load_guard_state
from activities.readings.permissions import load_autonomy, load_effective_mode
from activities.settings import LoopSettings

MAX_SHOWN_REJECTED = 6
"""Rejected candidates in a workflow's history; the store holds all of them."""


class PlanActivities:
    """Decide from a stored analysis input."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    @activity.defn(name="plan")
    async def plan(self, request: PlanRequest) -> DecisionSummary:
        """Return the summary of the decision; without the store it is `blocked`, because no plan runs unrecorded.

        Raises:
            NotFound: The loop is not configured on this worker, or the analysis input has expired.
        """
        settings = self.dependencies.loop(request.loop).settings
        try:
            decision = await self.decide(settings, request)
            return await self.summarize(decision)
        except StoreUnavailable as error:
            return DecisionSummary(
                outcome=CycleOutcome.BLOCKED, headline=truncate(f"blocked: store: {error}"), blocked_by=("store",)
            )

    async def decide(self, settings: LoopSettings, request: PlanRequest) -> Decision:
        """Take a snapshot, decide by it, and store both before a plan may start."""
        store, now = self.dependencies.store, self.dependencies.clock()
        analysis = await store.snapshots.get(request.digest, AnalysisInput)
        snapshot = Snapshot(
            at=now,
            loop=settings.name,
            charter=settings.charter,
            cycle_id=request.cycle_id,
            analysis=request.digest,
            experience=await store.outcomes.load_experience(settings.name),
            guards=await load_guard_state(store, settings.charter, analysis, now),
            mode=with_kill_switch(self.dependencies.kill_switch(), await load_effective_mode(store, settings, now)),
            settings=settings.decision_settings(),
            silenced=request.silenced,
            error_budget=await read_error_budget(self.dependencies.loop(settings.name), now),
            autonomy=await load_autonomy(store, settings),
            seed=cycle_seed(request.cycle_id) if settings.plan.exploring else 0,
        )
        digest = await store.snapshots.put(snapshot, SnapshotKind.DECISION, now)
        decision = decide(snapshot, analysis, settings)
        await self.persist(decision, snapshot, digest)
        return decision

    async def persist(self, decision: Decision, snapshot: Snapshot, digest: str) -> None:
        """Store the decision, its plans with their inputs, its shadows, storm, audit entries and notifications."""
        store, now = self.dependencies.store, snapshot.at
        await store.plans.put_decision(snapshot.cycle_id, snapshot.loop, now, decision, digest)
        for plan in decision.plans:
            await store.snapshots.pin(digest)
            await store.snapshots.pin(snapshot.analysis)
            await store.plans.put(plan, now)
            await store.guards.open_incident(plan.problem_at(now))
        unscored_knobs = {
            block.knob for block in decision.blocks if block.rule in (GuardRule.SILENCED, GuardRule.STORM)
        }
        for plan in decision.shadow:
            # In a silence an operator is at work, in a storm the observation is doubtful: neither is evidence.
            if plan.knob not in unscored_knobs:
                await store.autonomy.put_shadow(build_shadow_decision(plan, now))
        if decision.storm != snapshot.guards.storm(snapshot.loop):
            await store.guards.set_storm(snapshot.charter, snapshot.loop, decision.storm, now)
        holds = hold_seconds_by_rule(self.dependencies.loop(snapshot.loop).settings.plan.oscillation)
        for block in decision.blocks:
            if block.rule in holds:
                kind = AuditKind(block.rule)
                entry = AuditEntry(at=now, kind=kind, loop=snapshot.loop, knob=block.knob, summary=block.reason)
                since = max(now - holds[GuardRule(block.rule)], snapshot.guards.knob(block.knob).released_at)
                await store.audit.append_unless_recent(entry, since)
        for notification in notifications_for_decision(decision, snapshot.loop, snapshot.cycle_id, now):
            await store.notifications.open_or_touch(notification)
        considered = {candidate.knob for candidate in decision.candidates}
        for incident in snapshot.guards.incidents:
            if incident.knob in considered:
                await store.guards.touch_incident(snapshot.charter, incident.knob, now)

    async def summarize(self, decision: Decision) -> DecisionSummary:
        """Return the summary for the workflow's history."""
        guards = GuardState()
        if decision.plans:
            guards = await self.dependencies.store.guards.load_state(
                decision.plans[0].charter, self.dependencies.clock()
            )
        rejected = [candidate for candidate in decision.candidates if candidate.rejected_by]
        causes = decision.diagnosis.root_causes
        return DecisionSummary(
            headline=decision.headline,
            outcome=decision.outcome,
            plans=tuple(
                [PlanSummary.from_plan(plan, await self.find_superseded_plan(plan, guards)) for plan in decision.plans]
            ),
            root_cause=causes[0].cause.value if causes else "",
            rejected=tuple(truncate(candidate.summary) for candidate in rejected[:MAX_SHOWN_REJECTED]),
            blocked_by=tuple(sorted({block.rule for block in decision.blocks})),
        )

    async def find_superseded_plan(self, plan: Plan, guards: GuardState) -> str:
        """Return the id of a riskier plan that may wait for approval on the same knob, empty for none."""
        incident = guards.incident(plan.knob)
        for rung in incident.rungs if incident else ():
            if rung.outcome or rung.plan_id == plan.plan_id:
                continue
            try:
                other = await self.dependencies.store.plans.get(rung.plan_id)
            except NotFound:
                continue
            if other.needs_approval and other.risk.rank > plan.risk.rank:
                return other.plan_id
        return ""
