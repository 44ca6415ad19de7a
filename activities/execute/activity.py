"""The Temporal side of Execute: a step is done, or undone, exactly once."""

import asyncio

from temporalio import activity

from activities.clients.audited_calls import Attempts
from activities.clients.store.store import Store
from activities.dependencies import Parts
from activities.execute.calls import do_call, undo_call
from activities.execute.pre_apply import asking, begun
from activities.execute.readback import Readback, State, read_back
from activities.execute.steps import Steps, steps_of
from activities.heartbeat import heartbeating
from activities.model.action import COMMITTEE, Inverse, Route
from activities.model.charter import ChangeCall, Changed
from activities.model.effect import Direction, Effect
from activities.model.errors import Ambiguous, Blocked, Forbidden, NotFound, Stale, Superseded
from activities.model.mode import in_force
from activities.model.plan import Plan
from activities.model.remediation import Applied, ApplyRequest, Undone, UndoRequest
from activities.model.types import clipped
from activities.plan.guards.core import costs_quorum, way_back_costs_quorum


async def steps_known(store: Store, plan: Plan) -> Steps:
    """Return what is known of the plan's steps."""
    outcome = await store.outcomes.of_plan(plan.plan_id)
    effects, rows = await store.plans.effects(plan.plan_id), await store.audit.of_plan(plan.plan_id)
    return steps_of(effects, rows, outcome.ending if outcome else "")


class ExecuteActivities:
    """Changes Charter, one fenced and keyed step at a time."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.store = parts.store

    @activity.defn(name="apply")
    async def apply(self, request: ApplyRequest) -> Applied:
        """Do one step, once: what an earlier attempt may have done is read back before anything is sent.

        Raises:
            Ambiguous, Unreachable, Overloaded, InFlight: another attempt reads back and tries again.
            Stale, Rejected, Superseded, NotFound, Unauthorized: Charter will not do it.
            Blocked: a guard refuses it now, and the step was not done before.
            Forbidden: the kill switch is thrown, and the step was not done before.
        """
        async with heartbeating():
            plan = await self.store.plans.get(request.plan_id)
            steps = await steps_known(self.store, plan)
            if steps.ended or steps.taken_back:
                # After a reset. The key of what was undone would be answered with the stored reply, as if it stood.
                raise Stale(f"plan {plan.plan_id} has ended before, or is on its way back")
            call = do_call(plan, request.step, request.generation, self.timeout(plan))
            attempts = self.attempts(plan, request, Direction.DO)
            effect = await self.effect(plan, request.step, Direction.DO) or await self.done_before(attempts, call)
            if effect is not None and effect.asked < request.asked:
                await self.store.plans.claim(effect, request.asked)
            if effect is None:
                if thrown := self.parts.switch():
                    raise Forbidden(thrown)
                await self.begin(plan)
                await self.look_once_more(plan, request)
                effect = await self.keep(attempts, await attempts.change(call))
            text = plan.actions[request.step].text
            return Applied(
                headline=f"applied {text}: generation {effect.generation}",
                generation=effect.generation,
                at=effect.at,
                policy_id=effect.policy_id,
            )

    async def begin(self, plan: Plan) -> None:
        """Tell the guards that a step is about to be sent, unless one of them refuses it. Raises: Blocked."""
        settings, now = self.parts.loop(plan.loop).settings, self.parts.clock()
        mode = in_force(await self.store.guards.mode(plan.loop), settings.first_mode, now)
        asked = asking(plan, mode, settings.plan, now)
        block = await self.store.guards.begin(plan.charter, begun(plan, now), asked)
        if block is not None:
            raise Blocked(f"{block.rule}: {block.reason}", block.rule, plan.loop)

    async def look_once_more(self, plan: Plan, request: ApplyRequest) -> None:
        """Refuse what would cost the committee its quorum by now: no generation tells that a member died meanwhile.

        Of a scale the present size is kept before it is sent: a reply that is lost would take it along.
        """
        action, loop = plan.actions[request.step], self.parts.loop(plan.loop)
        if action.knob != COMMITTEE or action.route is Route.APPLY:
            return
        committee = await loop.charter.committee()
        if committee.generation != request.generation:
            raise Stale(f"{plan.knob} moved from generation {request.generation} to {committee.generation}")
        if unsafe := costs_quorum(action, committee, loop.settings.plan):
            raise Stale(f"quorum: {unsafe}")
        if action.inverse is not Inverse.SCALE_BACK:
            return
        before = Effect(
            plan_id=plan.plan_id,
            step=request.step,
            direction=Direction.BEFORE,
            at=self.parts.clock(),
            generation=committee.generation,
            previous={"replicas": committee.replicas},
        )
        await self.store.plans.put_effect(before)

    async def done_before(self, attempts: Attempts, call: ChangeCall, *, late: bool = False) -> Effect | None:
        """Return the effect of an earlier attempt whose reply was lost; None if it was not done."""
        if not await attempts.made():
            return None
        found = await self.read_back(attempts.plan, call)
        if found.state is State.UNKNOWN:
            raise Ambiguous(
                f"{call.path} for plan {attempts.plan.plan_id}: Charter's state does not tell if it was done"
            )
        if found.state is not State.DONE:
            return None
        before = await self.effect(attempts.plan, attempts.step, Direction.BEFORE)
        previous = before.previous if before and attempts.direction is Direction.DO else None
        changed = Changed(
            knob=attempts.plan.knob, generation=found.generation, policy_id=found.policy_id, previous=previous
        )
        return await self.keep(attempts, changed, late=late)

    async def read_back(self, plan: Plan, call: ChangeCall) -> Readback:
        """Ask Charter's own state whether the change was done."""
        charter = self.parts.loop(plan.loop).charter
        committee, policies = await asyncio.gather(charter.committee(), charter.policies(plan.knob, everything=True))
        return read_back(call, plan.knob, committee, policies)

    @activity.defn(name="undo")
    async def undo(self, request: UndoRequest) -> Undone:
        """Undo one step if it was done. `failed` says why it stays: somebody else changed it since, or the quorum.

        Raises:
            Ambiguous, Unreachable, Overloaded, InFlight, StoreUnavailable: another attempt reads back and tries again.
            Unauthorized, Rejected: Charter will not undo it.
        """
        async with heartbeating():
            plan = await self.store.plans.get(request.plan_id)
            text = plan.actions[request.step].text
            steps = await steps_known(self.store, plan)
            if steps.ended and request.step not in steps.standing:
                return Undone(headline=f"nothing to undo: {text} was {steps.ended}", changed=False, loop=plan.loop)
            done = await self.effect(plan, request.step, Direction.DO) or await self.done_unheard(
                plan, request, late=bool(steps.ended)
            )
            if done is None:
                headline = f"nothing to undo: {text} does not stand at Charter"
                return Undone(headline=headline, changed=False, absent=True, loop=plan.loop)
            try:
                undone = await self.undo_effect(plan, request, done)
            except (Stale, Superseded, NotFound) as error:
                failed = clipped(f"{text}: {error}")
                # A quorum that is missing comes back: upkeep has to find a late effect again.
                if not isinstance(error, Blocked):
                    await self.give_up(done)
                return Undone(headline=f"ROLLBACK FAILED: {text}", changed=False, failed=failed, loop=plan.loop)
            if undone is None:
                await self.give_up(done)
                return Undone(headline=f"{text} has no inverse", changed=False, loop=plan.loop)
            return Undone(headline=f"ROLLBACK {text}: generation {undone.generation}", loop=plan.loop)

    async def give_up(self, done: Effect) -> None:
        """Note of a late effect that it cannot be undone, so that upkeep does not find it again and again."""
        if done.late:
            noted = {"direction": Direction.UNDO, "at": self.parts.clock(), "changed": False}
            await self.store.plans.put_effect(done.model_copy(update=noted))

    async def done_unheard(self, plan: Plan, request: UndoRequest, *, late: bool) -> Effect | None:
        """Return the effect of a step whose reply was never heard; None if it was never sent or always refused."""
        attempts = self.attempts(plan, request, Direction.DO)
        rows = await attempts.made()
        phases = [row.phase for row in rows]
        if phases.count("before") == phases.count("refused"):
            return None
        call = do_call(plan, request.step, rows[0].generation_before or 0, self.timeout(plan))
        return await self.done_before(attempts, call, late=late)

    async def undo_effect(self, plan: Plan, request: UndoRequest, done: Effect) -> Effect | None:
        """Undo what `done` did, fenced by what the plan itself last left on the knob; None if it has no inverse."""
        known = await self.effect(plan, done.step, Direction.UNDO)
        if known:
            return known
        attempts = self.attempts(plan, request, Direction.UNDO)
        fences = [row.generation_before for row in await attempts.made() if row.generation_before is not None]
        left = max(effect.generation for effect in await self.store.plans.effects(plan.plan_id))
        call = undo_call(plan, done, fences[0] if fences else left, self.timeout(plan))
        if call is None:
            return None
        before = await self.done_before(attempts, call)
        if before:
            return before
        if plan.actions[done.step].inverse is Inverse.SCALE_BACK:
            await self.keep_quorum(plan, int((call.body or {})["replicas"]))
        return await self.keep(attempts, await attempts.change(call))

    async def keep_quorum(self, plan: Plan, replicas: int) -> None:
        """Refuse to take a member away that the committee cannot spare now. Raises: Blocked.

        A member too many costs less than a majority that is gone: it stays until a person has looked.
        """
        committee = await self.parts.loop(plan.loop).charter.committee()
        if unsafe := way_back_costs_quorum(replicas, committee):
            raise Blocked(unsafe, "quorum", plan.loop)

    def attempts(self, plan: Plan, request: ApplyRequest | UndoRequest, direction: Direction) -> Attempts:
        """Return the audited attempts at a step."""
        return Attempts(
            charter=self.parts.loop(plan.loop).charter,
            audit=self.store.audit,
            clock=self.parts.clock,
            worker=self.parts.worker,
            plan=plan,
            step=request.step,
            direction=direction,
            asked=request.asked,
        )

    async def effect(self, plan: Plan, step: int, direction: Direction) -> Effect | None:
        """Return the stored effect of a step."""
        effects = await self.store.plans.effects(plan.plan_id)
        return next((e for e in effects if (e.step, e.direction) == (step, direction)), None)

    async def keep(self, attempts: Attempts, changed: Changed, *, late: bool = False) -> Effect:
        """Store what a step did; what is stored already stands."""
        return await self.store.plans.put_effect(
            Effect(
                plan_id=attempts.plan.plan_id,
                step=attempts.step,
                direction=attempts.direction,
                at=self.parts.clock(),
                generation=changed.generation,
                policy_id=changed.policy_id,
                previous=changed.previous,
                late=late,
                asked=attempts.asked,
            )
        )

    def timeout(self, plan: Plan) -> float:
        """Return the seconds one call that changes Charter may take."""
        return self.parts.loop(plan.loop).settings.execute.timeout_seconds
