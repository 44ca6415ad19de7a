"""The Temporal side of Plan: recall, decide, write down, answer."""

from temporalio import activity

from activities.clients.store.store import Store
from activities.decision import decide
from activities.dependencies import LoopParts, Parts
from activities.knowledge.autonomy import earned
from activities.model.audit import AuditEntry
from activities.model.cycle import DecisionBrief, PlanBrief, PlanRequest
from activities.model.decision import Decision
from activities.model.errors import MapekError, NotFound, StoreUnavailable
from activities.model.guards import GuardState
from activities.model.mode import in_force, under
from activities.model.plan import Plan
from activities.model.snapshot import AnalysisInput, Snapshot
from activities.model.types import clipped
from activities.monitor.own_changes import done_keys
from activities.notify.events import of_decision
from activities.plan.autonomy import shadow_of
from activities.plan.exploration import seed_of
from activities.plan.guards.oscillation import spans
from activities.plan.guards.rates import lowest
from activities.settings import LoopSettings

REJECTED_SHOWN = 6
"""Rejected candidates a history carries; all of them are in the store."""


class PlanActivities:
    """Decides upon a stored analysis input."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @activity.defn(name="plan")
    async def plan(self, request: PlanRequest) -> DecisionBrief:
        """Return the decision. Without the store there is none: what cannot be written down is not done.

        Raises:
            NotFound: the loop is not configured here, or the analysis input is gone.
        """
        settings = self.parts.loop(request.loop).settings
        try:
            decision = await self.decide(settings, request)
            return await self.brief(decision)
        except StoreUnavailable as error:
            return DecisionBrief(outcome="blocked", headline=clipped(f"blocked: store: {error}"), blocked_by=("store",))

    async def decide(self, settings: LoopSettings, request: PlanRequest) -> Decision:
        """Take the snapshot, decide upon it, and keep both before anything may come of it."""
        store, now = self.parts.store, self.parts.clock()
        analysis = await store.snapshots.get(request.digest, AnalysisInput)
        mode = in_force(await store.guards.mode(settings.name), settings.first_mode, now)
        snapshot = Snapshot(
            at=now,
            loop=settings.name,
            charter=settings.charter,
            cycle_id=request.cycle_id,
            analysis=request.digest,
            experience=await store.outcomes.experience(settings.name),
            guards=await guards_at(store, settings.charter, analysis, now),
            mode=under(self.parts.switch(), mode),
            settings=settings.deciding(),
            silenced=request.silenced,
            error_budget=await error_budget(self.parts.loop(settings.name), now),
            autonomy=earned(
                await store.trust.evidence(settings.name), settings.first_level, settings.knowledge.autonomy
            ),
            seed=seed_of(request.cycle_id) if settings.plan.exploring else 0,
        )
        digest = await store.snapshots.put(snapshot, "decision", now)
        decision = decide(snapshot, analysis, settings)
        await self.keep(decision, snapshot, digest)
        return decision

    async def keep(self, decision: Decision, snapshot: Snapshot, digest: str) -> None:
        """Write down the decision, its plans with all they were made from, and that their incidents still go on."""
        store, now = self.parts.store, snapshot.at
        await store.plans.put_decision(snapshot.cycle_id, snapshot.loop, now, decision, digest)
        for plan in decision.plans:
            await store.snapshots.pin(digest)
            await store.snapshots.pin(snapshot.analysis)
            await store.plans.put(plan, now)
            await store.guards.open_incident(plan.charter, plan.knob, plan.onset, now)
        hushed = {block.knob for block in decision.blocks if block.rule in ("silenced", "storm")}
        for plan in decision.shadow:
            # What a person works on goes away by their hand, and a storm is a doubtful picture: neither tells anything.
            if plan.knob not in hushed:
                await store.trust.keep(shadow_of(plan, now))
        if decision.storm != snapshot.guards.storm(snapshot.loop):
            await store.guards.set_storm(snapshot.charter, snapshot.loop, decision.storm, now)
        held = spans(self.parts.loop(snapshot.loop).settings.plan.oscillation)
        for block in decision.blocks:
            if block.rule in held:
                row = AuditEntry(at=now, kind=block.rule, loop=snapshot.loop, knob=block.knob, text=block.reason)
                since = max(now - held[block.rule], snapshot.guards.knob(block.knob).released_at)
                await store.audit.append_new(row, since)
        for notice in of_decision(decision, snapshot.loop, snapshot.cycle_id, now):
            await store.notices.open(notice)
        considered = {candidate.knob for candidate in decision.candidates}
        for incident in snapshot.guards.incidents:
            if incident.knob in considered:
                await store.guards.seen(snapshot.charter, incident.knob, now)

    async def brief(self, decision: Decision) -> DecisionBrief:
        """Return what of the decision goes into history."""
        guards = GuardState()
        if decision.plans:
            guards = await self.parts.store.guards.state(decision.plans[0].charter, self.parts.clock())
        rejected = [candidate for candidate in decision.candidates if candidate.rejected_by]
        causes = decision.diagnosis.root_causes
        return DecisionBrief(
            headline=decision.headline,
            outcome=decision.outcome,
            plans=tuple([PlanBrief.of(plan, await self.superseded(plan, guards)) for plan in decision.plans]),
            root_cause=causes[0].cause.value if causes else "",
            rejected=tuple(clipped(candidate.text) for candidate in rejected[:REJECTED_SHOWN]),
            blocked_by=tuple(sorted({block.rule for block in decision.blocks})),
        )

    async def superseded(self, plan: Plan, guards: GuardState) -> str:
        """Return the id of a plan of higher risk that may wait for approval on the same knob, empty if none does."""
        incident = guards.incident(plan.knob)
        for rung in incident.rungs if incident else ():
            if rung.ending or rung.plan_id == plan.plan_id:
                continue
            try:
                running = await self.parts.store.plans.get(rung.plan_id)
            except NotFound:
                continue
            if running.needs_approval and running.risk.rank > plan.risk.rank:
                return running.plan_id
        return ""


async def guards_at(store: Store, charter: str, seen: AnalysisInput, now: float, besides: str = "") -> GuardState:
    """Return the guard state at `now` (unix seconds), with what stands at Charter and is not settled besides a plan."""
    standing = await store.plans.open_plans(charter, done_keys(seen.committee, seen.policies))
    unsettled = tuple(plan.as_unsettled for plan in standing if plan.plan_id != besides)
    return (await store.guards.state(charter, now)).model_copy(update={"unsettled": unsettled})


async def error_budget(loop: LoopParts, at: float) -> float | None:
    """Return the share left of the service's error budget at `at`; 0 if it cannot be told, None if it is not asked."""
    query = loop.settings.plan.error_budget.query
    if not query:
        return None
    try:
        samples = await loop.prometheus.query(query, at)
    except MapekError as error:
        activity.logger.warning("the error budget cannot be told, and counts as spent: %s", error)
        return 0.0
    return lowest(samples)
