"""Remediation: prepare → (approve) → apply → verify → keep | roll back → record → cool down.

Its id is fixed per knob and so is the lock: while it runs, even only to cool down or in quarantine, no other
remediation of that knob starts, from whichever loop. Until the outcome is recorded a cancellation compensates; after
that it only ends the cool-down.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.execute.activity import ExecuteActivities
    from activities.execute.prepare.activity import PrepareActivities
    from activities.execute.verify.activity import VerifyActivities
    from activities.knowledge.activity import KnowledgeActivities
    from activities.model.outcome import Consequence, Verdict
    from activities.model.remediation import (
        ApplyRequest,
        PrepareRequest,
        Recorded,
        RecordRequest,
        ReleaseRequest,
        RemediationRequest,
        RemediationResult,
        UndoRequest,
        Verified,
        VerifyRequest,
    )
    from workflows import names, options
    from workflows.cancellation import settled, stopping
    from workflows.operator_handlers import People
    from workflows.outcomes import ENDINGS, after_rollback, ended, reason_of, type_of
    from workflows.search_attributes import updates


@workflow.defn(name="Remediation")
class Remediation(People):
    """The execution of one plan on one knob."""

    @workflow.init
    def __init__(self, request: RemediationRequest) -> None:
        """Handlers may run before `run`: the state they touch is made here."""
        super().__init__(request)
        self.undo: list[int] = []
        self.applied: list[str] = []
        self.rolled_back: list[str] = []
        self.outlasted = False
        self.absent: list[int] = []
        self.applied_at: float | None = None

    @workflow.run
    async def run(self, request: RemediationRequest) -> RemediationResult:
        """Carry the plan out, record how it ended, and hold the knob as long as it has to rest."""
        ending = await (self.settle_leftover() if request.settle_leftover else self.remedy())
        self.undo_failed = bool(ending.undo_failed)
        recorded = await self.record(ending)
        await self.hold_quarantine(recorded)
        await self.cool_down(recorded)
        return RemediationResult(
            headline=recorded.headline,
            outcome=recorded.ending,
            plan=request.plan_id,
            applied=tuple(self.applied),
            rolled_back=tuple(self.rolled_back),
            quarantined=recorded.quarantined,
        )

    async def remedy(self) -> RecordRequest:
        """Prepare, apply, verify; keep what helps and roll back what does not."""
        refused = await self.make_ready()
        if refused:
            return refused
        fault = await self.apply_steps()
        if stopping() or (fault and not await self.take_back_failed(fault)):
            return await self.roll_back(fault or ended("stopped", "stopped by a person"))
        verified = await self.verify()
        if stopping():
            return await self.roll_back(ended("stopped", "stopped by a person"))
        if verified.consequence is Consequence.ROLL_BACK:
            return await self.roll_back(ended("rolled_back", verified.headline), verified)
        headline = f"{verified.headline}; {fault.headline}" if fault else verified.headline
        return self.concluded(ended(verified.verdict.value, headline), verified)

    async def make_ready(self) -> RecordRequest | None:
        """Settle, observe again, ask a person if need be. Return how it ended if the plan may not be applied."""
        try:
            if self.request.settle > 0:
                await workflow.sleep(self.request.settle, summary="settle: is it still so in a moment?")
            refused = await self.prepare()
            if refused or not self.prepared.needs_approval:
                return refused
            refused = await self.approval()
            if refused:
                return refused
            self.phase("applying")
            return await self.prepare()
        except (FailureError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                return await self.given_up(ended("stopped", "stopped by a person before anything was applied"))
            return await self.given_up(ended("failed", f"could not be prepared: {reason_of(error)}"))

    async def given_up(self, why: RecordRequest) -> RecordRequest:
        """End before anything was applied; what this remediation had applied before it was reset is taken back."""
        if not self.was_reset():
            return self.concluded(why)
        try:
            await self.find_standing()
        except ActivityError as error:
            return self.concluded(ended(why.ending, f"{why.headline}; what stands is not known: {reason_of(error)}"))
        return await self.roll_back(why) if self.undo else self.concluded(why)

    def was_reset(self) -> bool:
        """Tell whether this run goes on from a reset, in a replay what the history says: it has another run's id."""
        info = workflow.info()
        reset = workflow.unsafe.is_replaying() or info.run_id != info.original_execution_run_id
        return reset and workflow.patched("undo-before-reset")

    async def prepare(self) -> RecordRequest | None:
        """Check the plan against the worker's own rules and the present. Return how it ended if it may not go on."""
        self.prepared = await workflow.execute_activity_method(
            PrepareActivities.prepare,
            PrepareRequest(plan_id=self.request.plan_id, answer=self.answer, asked=workflow.time()),
            summary=f"is plan {self.request.plan_id} still right?",
            **options.PREPARE,
        )
        if not self.prepared.ending:
            self.outlasted = True
            return None
        refused = ended(self.prepared.ending, self.prepared.headline)
        standing = [number for number, step in enumerate(self.prepared.steps) if step.standing]
        # Only after a reset: the plan is not right any more, and part of it is done already.
        if standing and workflow.patched("undo-what-stands"):
            self.undo = standing
            return await self.roll_back(refused)
        return self.concluded(refused)

    async def approval(self) -> RecordRequest | None:
        """Wait for a person. Return how it ended if it was not approved; silence until the deadline is a no."""
        self.phase("awaiting-approval")
        self.awaiting_approval = True
        try:
            await workflow.wait_condition(
                lambda: self.answer is not None or self.yielded is not None,
                timeout=self.prepared.deadline,
                timeout_summary=f"approval deadline: {self.prepared.headline}"[:180],
            )
        except TimeoutError:
            # An answer that came with the deadline in one task was already acknowledged.
            if not self.answer and not self.yielded:
                return self.concluded(ended("expired", f"nobody decided within {self.prepared.deadline:.0f} s"))
        finally:
            self.awaiting_approval = False
        if self.yielded:
            return self.concluded(
                ended(self.yielded.ending, f"gave way while waiting for approval: {self.yielded.why}")
            )
        if self.answer and not self.answer.approve:
            return self.concluded(ended("rejected", f"rejected by {self.answer.who}: {self.answer.why}"))
        return None

    async def apply_steps(self) -> RecordRequest | None:
        """Apply the steps in order, each fenced by the generation the one before left. Return what stopped them."""
        generation = self.prepared.generation
        for number, step in enumerate(self.prepared.steps):
            if stopping():
                return None
            # Before the effect: a step whose outcome is unknown has to be undone too.
            self.undo.append(number)
            handle = workflow.start_activity_method(
                ExecuteActivities.apply,
                ApplyRequest(plan_id=self.request.plan_id, step=number, generation=generation, asked=workflow.time()),
                summary=step.text[:180],
                **options.apply(self.prepared.timeout, self.prepared.retries),
            )
            try:
                done = await settled(handle)
            except ActivityError as error:
                return ended(
                    ENDINGS.get(type_of(error), "failed"), f"{step.text} could not be applied: {reason_of(error)}"
                )
            # The server's clock, not the worker's: whatever that one shows, no sample is older than the effect.
            generation, self.applied_at = done.generation, workflow.time()
            self.applied.append(step.text)
        return None

    async def take_back_failed(self, fault: RecordRequest) -> bool:
        """Undo the failed step alone. Tell whether those before it may be judged: never while it may stand itself."""
        if self.prepared.transactional or not self.applied:
            return False
        if not workflow.patched("undo-what-failed"):
            return True
        failed = self.undo.pop()
        stands = await self.undo_step(failed, fault.headline)
        if stands:
            self.undo.append(failed)
        return not stands and not stopping()

    async def verify(self) -> Verified:
        """Judge the effect by samples taken after it. A verification that cannot be made is inconclusive."""
        self.phase("verifying")
        return await self.judged(rollback=False)

    async def judged(self, *, rollback: bool) -> Verified:
        """Run one verification, of the plan or of its rollback."""
        subject = "ROLLBACK: is the state before back?" if rollback else "did it help?"
        since = self.applied_at if self.applied_at is not None and not rollback else workflow.time()
        handle = workflow.start_activity_method(
            VerifyActivities.verify,
            VerifyRequest(plan_id=self.request.plan_id, since=since, rollback=rollback),
            summary=subject + f" {', '.join(self.applied)}"[:150],
            task_queue=names.VERIFY_QUEUE,
            **options.verify(self.prepared.span),
        )
        try:
            return await (settled(handle) if rollback else handle)
        except (FailureError, asyncio.CancelledError) as error:
            return Verified.unmade(f"could not be verified: {reason_of(error)}", risky=self.prepared.risky)

    async def settle_leftover(self) -> RecordRequest:
        """A predecessor was terminated with this plan half applied: roll back what stands."""
        await self.find_standing()
        return await self.roll_back(ended("stopped", "its remediation was terminated; settled by upkeep"))

    async def find_standing(self) -> None:
        """Look what of the plan stands at Charter with nobody to answer for it: that has to be undone."""
        handle = workflow.start_activity_method(
            PrepareActivities.prepare,
            PrepareRequest(plan_id=self.request.plan_id, leftover=True),
            summary=f"what of plan {self.request.plan_id} still stands?",
            **options.UNDO,
        )
        self.prepared = await settled(handle)
        self.undo = [number for number, step in enumerate(self.prepared.steps) if step.standing]
        self.applied = [self.prepared.steps[number].text for number in self.undo]

    async def roll_back(self, why: RecordRequest, verified: Verified | None = None) -> RecordRequest:
        """Undo in reverse what was or may have been applied, and verify that. One failure does not stop the others."""
        self.phase("rolling-back")
        failures = [failed for number in reversed(self.undo) if (failed := await self.undo_step(number, why.headline))]
        if self.rolled_back:
            back = await self.judged(rollback=True)
            failures += [back.headline] if back.verdict is Verdict.WORSE else []
        return self.concluded(after_rollback(why, verified, self.rolled_back, failures), verified)

    async def undo_step(self, number: int, why: str) -> str:
        """Undo one step. Return why it could not be undone, empty if it was or nothing had to be."""
        text = self.prepared.steps[number].text
        handle = workflow.start_activity_method(
            ExecuteActivities.undo,
            UndoRequest(plan_id=self.request.plan_id, step=number, asked=workflow.time()),
            summary=f"ROLLBACK {text}: {why}"[:180],
            **options.UNDO,
        )
        try:
            undone = await settled(handle)
        except ActivityError as error:
            return f"{text} could not be undone: {reason_of(error)}"
        if undone.changed:
            self.rolled_back.append(text)
        if undone.absent:
            self.absent.append(number)
        return undone.failed

    async def record(self, ending: RecordRequest) -> Recorded:
        """Write the outcome into Knowledge, exactly once, before the knob rests."""
        absent = self.absent if self.undo else range(len(self.prepared.steps))
        handle = workflow.start_activity_method(
            KnowledgeActivities.record,
            ending.model_copy(
                update={
                    "plan_id": self.request.plan_id,
                    "answer": self.answer,
                    "ended": workflow.time(),
                    "outlasted": self.outlasted,
                    "absent": tuple(absent),
                }
            ),
            summary=f"{ending.ending}: {ending.headline}"[:180],
            **options.RECORD,
        )
        return await settled(handle)

    async def hold_quarantine(self, recorded: Recorded) -> None:
        """Keep the knob locked until a person releases it; not even a cancellation does."""
        if not recorded.quarantined:
            return
        self.phase("quarantined", recorded.ending)
        while self.released is None:
            try:
                await workflow.wait_condition(lambda: self.released is not None)
            except asyncio.CancelledError:
                if not stopping():
                    raise
        handle = workflow.start_activity_method(
            KnowledgeActivities.release,
            ReleaseRequest(plan_id=self.request.plan_id, who=self.released.who, why=self.released.why),
            summary=f"released by {self.released.who}: {self.released.why}"[:180],
            **options.RECORD,
        )
        await settled(handle)

    async def cool_down(self, recorded: Recorded) -> None:
        """Hold the lock while the knob rests. A cancellation only ends the rest."""
        if recorded.cool_down > 0 and not stopping():
            self.phase("cooling-down", recorded.ending)
            try:
                await workflow.sleep(recorded.cool_down, summary=f"cool-down {recorded.cool_down:.0f} s")
            except asyncio.CancelledError:
                workflow.logger.info("cool-down ended by a person")
        self.phase("done", recorded.ending)

    def concluded(self, ending: RecordRequest, verified: Verified | None = None) -> RecordRequest:
        """Return the ending with what was measured."""
        seconds = workflow.time() - self.applied_at if self.applied_at is not None else None
        figures = {} if verified is None else verified.model_dump(include={"verdict", "before", "after"})
        return ending.model_copy(update={"seconds": seconds, **figures})

    def phase(self, phase: str, outcome: str = "") -> None:
        """Make the phase, and the outcome once it is recorded, findable."""
        workflow.upsert_search_attributes(
            updates({names.PHASE: phase, names.OUTCOME: outcome, names.BLOCKED: self.prepared.blocked_by})
        )
