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
    from activities.model import identifiers
    from activities.model.outcome import Consequence, Verdict
    from activities.model.remediation import (
        ApplyRequest,
        PrepareRequest,
        RecordRequest,
        RecordResult,
        ReleaseRequest,
        RemediationRequest,
        RemediationResult,
        UndoRequest,
        VerifyRequest,
        VerifyResult,
    )
    from workflows import options, search_attributes
    from workflows.cancellation import cancellation_requested, wait_shielded
    from workflows.operator_handlers import OperatorHandlers
    from workflows.outcomes import OUTCOME_BY_ERROR, error_reason, error_type, make_outcome, outcome_after_rollback
    from workflows.search_attributes import build_search_attribute_updates


@workflow.defn(name="Remediation")
class MapekRemediation(OperatorHandlers):
    """The execution of one plan on one knob."""

    @workflow.init
    def __init__(self, request: RemediationRequest) -> None:
        """Handlers may run before `run`: the state they touch is made here."""
        super().__init__(request)
        self.steps_to_undo: list[int] = []
        self.applied: list[str] = []
        self.rolled_back: list[str] = []
        self.problem_persisted = False
        self.unapplied_steps: list[int] = []
        self.applied_at: float | None = None

    @workflow.run
    async def run(self, request: RemediationRequest) -> RemediationResult:
        """Carry the plan out, record how it ended, and hold the knob as long as it has to rest."""
        ending = await (self.roll_back_leftover() if request.roll_back_leftover else self.execute_plan())
        self.undo_failed = bool(ending.undo_failed)
        recorded = await self.record(ending)
        await self.hold_quarantine(recorded)
        await self.cool_down(recorded)
        return RemediationResult(
            headline=recorded.headline,
            outcome=recorded.outcome,
            plan=request.plan_id,
            applied=tuple(self.applied),
            rolled_back=tuple(self.rolled_back),
            quarantined=recorded.quarantined,
        )

    async def execute_plan(self) -> RecordRequest:
        """Prepare, apply, verify; keep what helps and roll back what does not."""
        refused = await self.prepare_and_approve()
        if refused:
            return refused
        fault = await self.apply_steps()
        if cancellation_requested() or (fault and not await self.undo_failed_step(fault)):
            return await self.roll_back(fault or make_outcome("stopped", "stopped by a person"))
        verified = await self.verify()
        if cancellation_requested():
            return await self.roll_back(make_outcome("stopped", "stopped by a person"))
        if verified.consequence is Consequence.ROLL_BACK:
            return await self.roll_back(make_outcome("rolled_back", verified.headline), verified)
        headline = f"{verified.headline}; {fault.headline}" if fault else verified.headline
        return self.with_measurements(make_outcome(verified.verdict.value, headline), verified)

    async def prepare_and_approve(self) -> RecordRequest | None:
        """Settle, observe again, ask a person if need be. Return how it ended if the plan may not be applied."""
        try:
            if self.request.settle > 0:
                await workflow.sleep(self.request.settle, summary="settle: is it still so in a moment?")
            refused = await self.prepare()
            if refused or not self.prepared.needs_approval:
                return refused
            refused = await self.wait_for_approval()
            if refused:
                return refused
            self.set_phase("applying")
            return await self.prepare()
        except (FailureError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                return await self.abandon(make_outcome("stopped", "stopped by a person before anything was applied"))
            return await self.abandon(make_outcome("failed", f"could not be prepared: {error_reason(error)}"))

    async def abandon(self, outcome: RecordRequest) -> RecordRequest:
        """End before anything was applied; what this remediation had applied before it was reset is taken back."""
        if not self.was_reset():
            return self.with_measurements(outcome)
        try:
            await self.find_applied_steps()
        except ActivityError as error:
            return self.with_measurements(
                make_outcome(outcome.outcome, f"{outcome.headline}; what stands is not known: {error_reason(error)}")
            )
        return await self.roll_back(outcome) if self.steps_to_undo else self.with_measurements(outcome)

    def was_reset(self) -> bool:
        """Tell whether this run goes on from a reset, in a replay what the history says: it has another run's id."""
        info = workflow.info()
        reset = workflow.unsafe.is_replaying() or info.run_id != info.original_execution_run_id
        return reset and workflow.patched("undo-before-reset")

    async def prepare(self) -> RecordRequest | None:
        """Check the plan against the worker's own rules and the present. Return how it ended if it may not go on."""
        self.prepared = await workflow.execute_activity_method(
            PrepareActivities.prepare,
            PrepareRequest(plan_id=self.request.plan_id, answer=self.answer, requested_at=workflow.time()),
            summary=f"is plan {self.request.plan_id} still right?",
            **options.PREPARE,
        )
        if not self.prepared.outcome:
            self.problem_persisted = True
            return None
        refused = make_outcome(self.prepared.outcome, self.prepared.headline)
        standing = [number for number, step in enumerate(self.prepared.steps) if step.is_applied]
        # Only after a reset: the plan is not right any more, and part of it is done already.
        if standing and workflow.patched("undo-what-stands"):
            self.steps_to_undo = standing
            return await self.roll_back(refused)
        return self.with_measurements(refused)

    async def wait_for_approval(self) -> RecordRequest | None:
        """Wait for a person. Return how it ended if it was not approved; silence until the deadline is a no."""
        self.set_phase("awaiting-approval")
        self.awaiting_approval = True
        try:
            await workflow.wait_condition(
                lambda: self.answer is not None or self.yield_request is not None,
                timeout=self.prepared.deadline,
                timeout_summary=f"approval deadline: {self.prepared.headline}"[:180],
            )
        except TimeoutError:
            # An answer that came with the deadline in one task was already acknowledged.
            if not self.answer and not self.yield_request:
                return self.with_measurements(
                    make_outcome("expired", f"nobody decided within {self.prepared.deadline:.0f} s")
                )
        finally:
            self.awaiting_approval = False
        if self.yield_request:
            return self.with_measurements(
                make_outcome(
                    self.yield_request.outcome, f"gave way while waiting for approval: {self.yield_request.reason}"
                )
            )
        if self.answer and not self.answer.approve:
            return self.with_measurements(
                make_outcome("rejected", f"rejected by {self.answer.actor}: {self.answer.reason}")
            )
        return None

    async def apply_steps(self) -> RecordRequest | None:
        """Apply the steps in order, each fenced by the generation the one before left. Return what stopped them."""
        generation = self.prepared.generation
        for number, step in enumerate(self.prepared.steps):
            if cancellation_requested():
                return None
            # Before the effect: a step whose outcome is unknown has to be undone too.
            self.steps_to_undo.append(number)
            handle = workflow.start_activity_method(
                ExecuteActivities.apply,
                ApplyRequest(
                    plan_id=self.request.plan_id, step=number, generation=generation, requested_at=workflow.time()
                ),
                summary=step.summary[:180],
                **options.apply_options(self.prepared.timeout, self.prepared.retries),
            )
            try:
                done = await wait_shielded(handle)
            except ActivityError as error:
                return make_outcome(
                    OUTCOME_BY_ERROR.get(error_type(error), "failed"),
                    f"{step.summary} could not be applied: {error_reason(error)}",
                )
            # The server's clock, not the worker's: whatever that one shows, no sample is older than the effect.
            generation, self.applied_at = done.generation, workflow.time()
            self.applied.append(step.summary)
        return None

    async def undo_failed_step(self, failure: RecordRequest) -> bool:
        """Undo the failed step alone. Tell whether those before it may be judged: never while it may stand itself."""
        if self.prepared.transactional or not self.applied:
            return False
        if not workflow.patched("undo-what-failed"):
            return True
        failed = self.steps_to_undo.pop()
        stands = await self.undo_step(failed, failure.headline)
        if stands:
            self.steps_to_undo.append(failed)
        return not stands and not cancellation_requested()

    async def verify(self) -> VerifyResult:
        """Judge the effect by samples taken after it. A verification that cannot be made is inconclusive."""
        self.set_phase("verifying")
        return await self.run_verification(rollback=False)

    async def run_verification(self, *, rollback: bool) -> VerifyResult:
        """Run one verification, of the plan or of its rollback."""
        subject = "ROLLBACK: is the state before back?" if rollback else "did it help?"
        since = self.applied_at if self.applied_at is not None and not rollback else workflow.time()
        handle = workflow.start_activity_method(
            VerifyActivities.verify,
            VerifyRequest(plan_id=self.request.plan_id, since=since, rollback=rollback),
            summary=subject + f" {', '.join(self.applied)}"[:150],
            task_queue=identifiers.VERIFY_TASK_QUEUE,
            **options.verify_options(self.prepared.verification_duration),
        )
        try:
            return await (wait_shielded(handle) if rollback else handle)
        except (FailureError, asyncio.CancelledError) as error:
            return VerifyResult.not_performed(
                f"could not be verified: {error_reason(error)}", risky=self.prepared.risky
            )

    async def roll_back_leftover(self) -> RecordRequest:
        """A predecessor was terminated with this plan half applied: roll back what stands."""
        await self.find_applied_steps()
        return await self.roll_back(make_outcome("stopped", "its remediation was terminated; settled by upkeep"))

    async def find_applied_steps(self) -> None:
        """Look what of the plan stands at Charter with nobody to answer for it: that has to be undone."""
        handle = workflow.start_activity_method(
            PrepareActivities.prepare,
            PrepareRequest(plan_id=self.request.plan_id, leftover=True),
            summary=f"what of plan {self.request.plan_id} still stands?",
            **options.UNDO,
        )
        self.prepared = await wait_shielded(handle)
        self.steps_to_undo = [number for number, step in enumerate(self.prepared.steps) if step.is_applied]
        self.applied = [self.prepared.steps[number].summary for number in self.steps_to_undo]

    async def roll_back(self, outcome: RecordRequest, verify_result: VerifyResult | None = None) -> RecordRequest:
        """Undo in reverse what was or may have been applied, and verify that. One failure does not stop the others."""
        self.set_phase("rolling-back")
        failures = [
            failed
            for number in reversed(self.steps_to_undo)
            if (failed := await self.undo_step(number, outcome.headline))
        ]
        if self.rolled_back:
            back = await self.run_verification(rollback=True)
            failures += [back.headline] if back.verdict is Verdict.WORSE else []
        return self.with_measurements(
            outcome_after_rollback(outcome, verify_result, self.rolled_back, failures), verify_result
        )

    async def undo_step(self, number: int, reason: str) -> str:
        """Undo one step. Return why it could not be undone, empty if it was or nothing had to be."""
        text = self.prepared.steps[number].summary
        handle = workflow.start_activity_method(
            ExecuteActivities.undo,
            UndoRequest(plan_id=self.request.plan_id, step=number, requested_at=workflow.time()),
            summary=f"ROLLBACK {text}: {reason}"[:180],
            **options.UNDO,
        )
        try:
            undone = await wait_shielded(handle)
        except ActivityError as error:
            return f"{text} could not be undone: {error_reason(error)}"
        if undone.changed:
            self.rolled_back.append(text)
        if undone.not_applied:
            self.unapplied_steps.append(number)
        return undone.failed

    async def record(self, outcome: RecordRequest) -> RecordResult:
        """Write the outcome into Knowledge, exactly once, before the knob rests."""
        absent = self.unapplied_steps if self.steps_to_undo else range(len(self.prepared.steps))
        handle = workflow.start_activity_method(
            KnowledgeActivities.record,
            outcome.model_copy(
                update={
                    "plan_id": self.request.plan_id,
                    "answer": self.answer,
                    "ended_at": workflow.time(),
                    "problem_persisted": self.problem_persisted,
                    "unapplied_steps": tuple(absent),
                }
            ),
            summary=f"{outcome.outcome}: {outcome.headline}"[:180],
            **options.RECORD,
        )
        return await wait_shielded(handle)

    async def hold_quarantine(self, record_result: RecordResult) -> None:
        """Keep the knob locked until a person releases it; not even a cancellation does."""
        if not record_result.quarantined:
            return
        self.set_phase("quarantined", record_result.outcome)
        while self.resume_request is None:
            try:
                await workflow.wait_condition(lambda: self.resume_request is not None)
            except asyncio.CancelledError:
                if not cancellation_requested():
                    raise
        handle = workflow.start_activity_method(
            KnowledgeActivities.release,
            ReleaseRequest(
                plan_id=self.request.plan_id, actor=self.resume_request.actor, reason=self.resume_request.reason
            ),
            summary=f"released by {self.resume_request.actor}: {self.resume_request.reason}"[:180],
            **options.RECORD,
        )
        await wait_shielded(handle)

    async def cool_down(self, record_result: RecordResult) -> None:
        """Hold the lock while the knob rests. A cancellation only ends the rest."""
        if record_result.cool_down > 0 and not cancellation_requested():
            self.set_phase("cooling-down", record_result.outcome)
            try:
                await workflow.sleep(record_result.cool_down, summary=f"cool-down {record_result.cool_down:.0f} s")
            except asyncio.CancelledError:
                workflow.logger.info("cool-down ended by a person")
        self.set_phase("done", record_result.outcome)

    def with_measurements(self, outcome: RecordRequest, verify_result: VerifyResult | None = None) -> RecordRequest:
        """Return the ending with what was measured."""
        seconds = workflow.time() - self.applied_at if self.applied_at is not None else None
        figures = {} if verify_result is None else verify_result.model_dump(include={"verdict", "before", "after"})
        return outcome.model_copy(update={"seconds": seconds, **figures})

    def set_phase(self, phase: str, outcome: str = "") -> None:
        """Make the phase, and the outcome once it is recorded, findable."""
        workflow.upsert_search_attributes(
            build_search_attribute_updates(
                {
                    search_attributes.PHASE: phase,
                    search_attributes.OUTCOME: outcome,
                    search_attributes.BLOCKED_BY: self.prepared.blocked_by,
                }
            )
        )
