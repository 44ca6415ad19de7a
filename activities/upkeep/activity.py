"""The Temporal side of Upkeep: what is left to settle, to ask to give way, to close and to throw away."""

import asyncio

from temporalio import activity

from activities.analyze.activity import gather
from activities.clients.locks import Locks
from activities.heartbeat import heartbeating
from activities.model.cycle import PlanBrief
from activities.model.effect import Direction
from activities.model.errors import MapekError
from activities.model.intake import Upkeep, UpkeepRequest, Yielding
from activities.model.plan import Plan
from activities.model.remediation import Yield
from activities.monitor.judgement import judge
from activities.parts import Parts
from activities.upkeep.late import done_keys

QUIET = 600.0
"""Seconds without a violation after which an incident is over."""
DAY = 86400.0


class UpkeepActivities:
    """Looks after what cycles and remediations leave behind."""

    def __init__(self, parts: Parts, locks: Locks) -> None:
        self.parts = parts
        self.store = parts.store
        self.locks = locks

    @activity.defn(name="upkeep")
    async def upkeep(self, request: UpkeepRequest) -> Upkeep:
        """Return the leftovers and the plans that wait for nothing; close quiet incidents and expire snapshots.

        Raises:
            StoreUnavailable, Unreachable: the next round tries again.
        """
        async with heartbeating():
            settings, now = self.parts.loop(request.loop).settings, self.parts.clock()
            leftovers = (*await self.leftovers(request.loop, settings.charter), *await self.late(request.loop))
            yielding = await self.recovered(request.loop)
            closed = await self.store.guards.close_quiet(settings.charter, now - QUIET)
            expired = await self.store.snapshots.expire(now, settings.knowledge.snapshot_days * DAY)
            return Upkeep(
                headline=f"{len(leftovers)} leftovers, {len(yielding)} to give way, {closed} incidents closed",
                leftovers=leftovers,
                yielding=yielding,
                closed=closed,
                expired=expired,
            )

    async def leftovers(self, loop: str, charter: str) -> tuple[PlanBrief, ...]:
        """Return the plans that touched Charter, have no outcome and are held by no running remediation."""
        plans = [plan for plan in await self.store.plans.open_plans(charter) if plan.loop == loop]
        return tuple([PlanBrief.of(plan) for plan in plans if not await self.locks.held(plan.workflow_id)])

    async def late(self, loop: str) -> tuple[PlanBrief, ...]:
        """Return the ended plans of which Charter did a step after we had given up waiting for it."""
        charter = self.parts.loop(loop).charter
        try:
            committee, policies = await asyncio.gather(charter.committee(), charter.policies())
        except MapekError as error:
            activity.logger.warning("late effects cannot be looked for: %s", error)
            return ()
        found = []
        for plan_id, step in sorted(done_keys(committee, policies)):
            plan = await self.ended(plan_id, loop)
            effects = await self.store.plans.effects(plan_id) if plan else ()
            heard = any((effect.step, effect.direction) == (step, Direction.DO) for effect in effects)
            if plan and not heard and not await self.locks.held(plan.workflow_id):
                found.append(PlanBrief.of(plan))
        return tuple(found)

    async def ended(self, plan_id: str, loop: str) -> Plan | None:
        """Return the plan if it is this loop's and its outcome is recorded."""
        if await self.store.outcomes.of_plan(plan_id) is None:
            return None
        plan = await self.store.plans.get(plan_id)
        return plan if plan.loop == loop else None

    async def recovered(self, loop: str) -> tuple[Yielding, ...]:
        """Return the plans that wait for approval while none of their violations is left, seen and not assumed."""
        waiting = [p for p in await self.store.plans.unsettled(loop) if p.needs_approval and await self.waits(p)]
        if not waiting:
            return ()
        judged = judge(await gather(self.parts.loop(loop), self.parts.clock()))
        violated = {violation.key for violation in judged.violations}
        blind = {spot.component for spot in judged.blind} | ({"*"} if not judged.tracks else set())
        return tuple(
            Yielding(
                workflow_id=plan.workflow_id,
                signal=Yield(plan=plan.plan_id, ending="recovered", why="its violations are gone"),
            )
            for plan in waiting
            if not violated.intersection(plan.verification.targets) and not blind.intersection(watched(plan))
        )

    async def waits(self, plan: Plan) -> bool:
        """Tell whether the plan's remediation runs and has not touched Charter yet."""
        rows = await self.store.audit.of_plan(plan.plan_id)
        return not any(row.kind == "attempt" for row in rows) and await self.locks.held(plan.workflow_id)


def watched(plan: Plan) -> set[str]:
    """Return what has to be visible before the plan's violations can be called gone."""
    return {component for component, _ in plan.verification.targets} | {"*", "prometheus", "charter"}
