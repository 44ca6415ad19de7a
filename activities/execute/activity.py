"""The Temporal side of Execute: each step is applied, or undone, exactly once."""

import asyncio

from temporalio import activity

from activities.clients.audited_calls import AuditedStep
from activities.dependencies import Dependencies
from activities.execute.calls import build_apply_request, build_undo_request
from activities.execute.pre_apply import build_pre_apply_check, build_remediation_record
from activities.execute.readback import ChangeState, Readback, read_back
from activities.heartbeat import background_heartbeat
from activities.model.action import COMMITTEE, Inverse, MemberEffect
from activities.model.audit import AttemptPhase
from activities.model.charter import ChangeRequest, ChangeResult
from activities.model.effect import Direction, Effect
from activities.model.errors import Ambiguous, Blocked, KillSwitchActive, NotFound, Stale, Superseded
from activities.model.plan import Plan
from activities.model.remediation import ApplyRequest, ApplyResult, UndoRequest, UndoResult
from activities.model.types import truncate
from activities.plan.guards.core import breaks_quorum, rollback_breaks_quorum
from activities.readings.permissions import load_effective_mode
from activities.readings.step_state import load_step_state


class ExecuteActivities:
    """Changes Charter, one step at a time, each with a fence and an idempotency key."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies
        self.store = dependencies.store

    @activity.defn(name="apply")
    async def apply(self, request: ApplyRequest) -> ApplyResult:
        """Apply one step, once. After an earlier attempt, Charter's state is read back before anything is sent.

        Raises:
            Ambiguous, Unreachable, Overloaded, InFlight: The next attempt reads back and sends again.
            Stale, Rejected, Superseded, NotFound, Unauthorized: Charter refuses the step.
            Blocked: A guard refuses the step, and no earlier attempt applied it.
            KillSwitchActive: The kill switch is active, and no earlier attempt applied the step.
        """
        async with background_heartbeat():
            plan = await self.store.plans.get(request.plan_id)
            steps = await load_step_state(self.store, plan)
            if steps.outcome or steps.undo_started:
                # After a reset: Charter answers the key of an undone step with its stored reply, as if it were applied.
                raise Stale(f"plan {plan.plan_id} ended before, or is being rolled back")
            call = build_apply_request(plan, request.step, request.generation, self.change_timeout(plan))
            attempts = self.build_audited_step(plan, request, Direction.DO)
            effect = await self.find_effect(plan, request.step, Direction.DO) or await self.recover_lost_reply(
                attempts, call
            )
            if effect is not None and effect.requested_at < request.requested_at:
                await self.store.plans.refresh_request_time(effect, request.requested_at)
            if effect is None:
                if reason := self.dependencies.kill_switch():
                    raise KillSwitchActive(reason)
                await self.register_start(plan)
                await self.recheck_quorum(plan, request)
                effect = await self.store_effect(attempts, await attempts.change(call))
            return ApplyResult(
                headline=f"applied {plan.actions[request.step].summary}: generation {effect.generation}",
                generation=effect.generation,
                at=effect.at,
                policy_id=effect.policy_id,
            )

    async def register_start(self, plan: Plan) -> None:
        """Record at the guards that a step is about to be sent.

        Raises:
            Blocked: A guard refuses the step.
        """
        settings, now = self.dependencies.loop(plan.loop).settings, self.dependencies.clock()
        mode = await load_effective_mode(self.store, settings, now)
        check = build_pre_apply_check(plan, mode, settings.plan, now)
        block = await self.store.guards.try_begin(plan.charter, build_remediation_record(plan, now), check)
        if block is not None:
            raise Blocked(f"{block.rule}: {block.reason}", block.rule, plan.loop)

    async def recheck_quorum(self, plan: Plan, request: ApplyRequest) -> None:
        """Check the quorum again: a member that failed since the decision did not change the generation.

        Before a scaling is sent, the present number of replicas is stored: a lost reply would lose it.

        Raises:
            Stale: The knob moved, or the step would break the quorum.
        """
        action, loop = plan.actions[request.step], self.dependencies.loop(plan.loop)
        if action.member_effect is MemberEffect.NONE:
            return
        committee = await loop.charter.fetch_committee()
        if action.knob == COMMITTEE and committee.generation != request.generation:
            raise Stale(f"{plan.knob} moved from generation {request.generation} to {committee.generation}")
        if shortfall := breaks_quorum((action,), committee, loop.settings.plan):
            raise Stale(f"quorum: {shortfall}")
        if action.inverse is not Inverse.SCALE_BACK:
            return
        before = Effect(
            plan_id=plan.plan_id,
            step=request.step,
            direction=Direction.BEFORE,
            at=self.dependencies.clock(),
            generation=committee.generation,
            previous={"replicas": committee.replicas},
        )
        await self.store.plans.put_effect(before)

    async def recover_lost_reply(
        self, audited_step: AuditedStep, change_request: ChangeRequest, *, late: bool = False
    ) -> Effect | None:
        """Return the effect of an earlier attempt whose reply was lost; None if the step is not in force.

        None has two reasons. `NOT_DONE`: the step was never executed. `SUPERSEDED`: another writer changed the knob
        later, so there is nothing of this step to undo. Another request is safe in both cases: Charter answers a known
        key with its stored reply, and refuses a generation that is too old.

        Raises:
            Ambiguous: Charter's state does not show whether the step was executed.
        """
        if not await audited_step.load_attempts():
            return None
        readback = await self.read_back(audited_step.plan, change_request)
        if readback.state is ChangeState.UNKNOWN:
            raise Ambiguous(
                f"{change_request.path} for plan {audited_step.plan.plan_id}: "
                "Charter's state does not show whether it was done"
            )
        if readback.state is not ChangeState.DONE:
            return None
        before = await self.find_effect(audited_step.plan, audited_step.step, Direction.BEFORE)
        previous = before.previous if before and audited_step.direction is Direction.DO else None
        result = ChangeResult(
            knob=audited_step.plan.knob, generation=readback.generation, policy_id=readback.policy_id, previous=previous
        )
        return await self.store_effect(audited_step, result, late=late)

    async def read_back(self, plan: Plan, change_request: ChangeRequest) -> Readback:
        """Return whether the change was done, from Charter's own state."""
        charter = self.dependencies.loop(plan.loop).charter
        committee, policies = await asyncio.gather(
            charter.fetch_committee(), charter.fetch_policies(plan.knob, include_inactive=True)
        )
        return read_back(change_request, plan.knob, committee, policies)

    @activity.defn(name="undo")
    async def undo(self, request: UndoRequest) -> UndoResult:
        """Undo one step if it was applied. `failed` says why it stays: a newer change of the knob, or the quorum.

        Raises:
            Ambiguous, Unreachable, Overloaded, InFlight, StoreUnavailable: The next attempt reads back and sends again.
            Unauthorized, Rejected: Charter refuses the undo.
        """
        async with background_heartbeat():
            plan = await self.store.plans.get(request.plan_id)
            text = plan.actions[request.step].summary
            steps = await load_step_state(self.store, plan)
            if steps.outcome and request.step not in steps.unresolved:
                return UndoResult(
                    headline=f"nothing to undo: {text} was {steps.outcome}", changed=False, loop=plan.loop
                )
            done = await self.find_effect(plan, request.step, Direction.DO) or await self.recover_unrecorded(
                plan, request, late=bool(steps.outcome)
            )
            if done is None:
                headline = f"nothing to undo: {text} is not applied at Charter"
                return UndoResult(headline=headline, changed=False, not_applied=True, loop=plan.loop)
            try:
                undone = await self.undo_effect(plan, request, done)
            except (Stale, Superseded, NotFound) as error:
                failed = truncate(f"{text}: {error}")
                # A quorum recovers: upkeep must find the late effect again.
                if not isinstance(error, Blocked):
                    await self.mark_not_undoable(done)
                return UndoResult(headline=f"ROLLBACK FAILED: {text}", changed=False, failed=failed, loop=plan.loop)
            if undone is None:
                await self.mark_not_undoable(done)
                return UndoResult(headline=f"{text} has no inverse", changed=False, loop=plan.loop)
            return UndoResult(headline=f"ROLLBACK {text}: generation {undone.generation}", loop=plan.loop)

    async def mark_not_undoable(self, effect: Effect) -> None:
        """Record that a late effect cannot be undone, so that upkeep does not find it in every round."""
        if effect.late:
            undo = {"direction": Direction.UNDO, "at": self.dependencies.clock(), "changed": False}
            await self.store.plans.put_effect(effect.model_copy(update=undo))

    async def recover_unrecorded(self, plan: Plan, request: UndoRequest, *, late: bool) -> Effect | None:
        """Return the effect of a step whose reply was lost; None if it was never sent or always refused."""
        attempts = self.build_audited_step(plan, request, Direction.DO)
        rows = await attempts.load_attempts()
        phases = [row.phase for row in rows]
        if phases.count(AttemptPhase.BEFORE) == phases.count(AttemptPhase.REFUSED):
            return None
        call = build_apply_request(plan, request.step, rows[0].generation_before or 0, self.change_timeout(plan))
        return await self.recover_lost_reply(attempts, call, late=late)

    async def undo_effect(self, plan: Plan, request: UndoRequest, effect: Effect) -> Effect | None:
        """Undo an effect, fenced by the generation after the plan's last effect; None if it has no inverse."""
        undone = await self.find_effect(plan, effect.step, Direction.UNDO)
        if undone:
            return undone
        attempts = self.build_audited_step(plan, request, Direction.UNDO)
        fences = [row.generation_before for row in await attempts.load_attempts() if row.generation_before is not None]
        last_generation = max(e.generation for e in await self.store.plans.load_effects(plan.plan_id))
        call = build_undo_request(plan, effect, fences[0] if fences else last_generation, self.change_timeout(plan))
        if call is None:
            return None
        recovered = await self.recover_lost_reply(attempts, call)
        if recovered:
            return recovered
        if plan.actions[effect.step].inverse is Inverse.SCALE_BACK:
            await self.require_quorum(plan, int((call.body or {})["replicas"]))
        return await self.store_effect(attempts, await attempts.change(call))

    async def require_quorum(self, plan: Plan, replicas: int) -> None:
        """Check that the committee keeps its quorum with `replicas`.

        Raises:
            Blocked: It would not. The extra member stays until an operator decides.
        """
        committee = await self.dependencies.loop(plan.loop).charter.fetch_committee()
        if shortfall := rollback_breaks_quorum(replicas, committee):
            raise Blocked(shortfall, "quorum", plan.loop)

    def build_audited_step(self, plan: Plan, request: ApplyRequest | UndoRequest, direction: Direction) -> AuditedStep:
        """Return the step with its audited attempts."""
        return AuditedStep(
            charter=self.dependencies.loop(plan.loop).charter,
            audit=self.store.audit,
            clock=self.dependencies.clock,
            worker_identity=self.dependencies.worker_identity,
            plan=plan,
            step=request.step,
            direction=direction,
            requested_at=request.requested_at,
        )

    async def find_effect(self, plan: Plan, step: int, direction: Direction) -> Effect | None:
        """Return the stored effect of a step."""
        effects = await self.store.plans.load_effects(plan.plan_id)
        return next((e for e in effects if (e.step, e.direction) == (step, direction)), None)

    async def store_effect(self, audited_step: AuditedStep, result: ChangeResult, *, late: bool = False) -> Effect:
        """Store the effect of a step; an effect that is already stored is returned unchanged."""
        return await self.store.plans.put_effect(
            Effect(
                plan_id=audited_step.plan.plan_id,
                step=audited_step.step,
                direction=audited_step.direction,
                at=self.dependencies.clock(),
                generation=result.generation,
                policy_id=result.policy_id,
                previous=result.previous,
                late=late,
                requested_at=audited_step.requested_at,
            )
        )

    def change_timeout(self, plan: Plan) -> float:
        """Return the time-out of a request that changes Charter, in seconds."""
        return self.dependencies.loop(plan.loop).settings.execute.timeout_seconds
