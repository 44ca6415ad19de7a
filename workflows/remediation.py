"""MapekRemediation: prepare → (approve) → apply → verify → keep | roll back → record → cool down.

The workflow id is fixed per knob, and so it is the knob's lock. While a remediation runs, even in cool-down or
quarantine, no loop starts another one on that knob. Until the outcome is recorded, a cancellation rolls back; after
that, it only ends the cool-down.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.execute.activity import ExecuteActivities
    from activities.execute.prepare.activity import PrepareActivities
    from activities.execute.verify.activity import VerifyActivities
    from activities.knowledge.activity import KnowledgeActivities
    from activities.model.identifiers import VERIFY_TASK_QUEUE, WorkflowName
    from activities.model.outcome import Consequence, Verdict
    from activities.model.phase import Phase
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
    from activities.model.remediation_outcome import RemediationOutcome
    from workflows import options, search_attributes
    from workflows.cancellation import cancellation_requested, wait_shielded
    from workflows.operator_handlers import OperatorHandlers
    from workflows.outcomes import OUTCOME_BY_ERROR, error_reason, error_type, make_outcome, outcome_after_rollback
    from workflows.search_attributes import build_search_attribute_updates


class _Concluded(Exception):
    """The remediation has its outcome; no further step of the plan runs.

    `roll_back`: the applied steps are undone first, and that can still change the outcome.
    """

    def __init__(
        self, outcome: RecordRequest, verify_result: VerifyResult | None = None, *, roll_back: bool = False
    ) -> None:
        super().__init__(outcome.outcome)
        self.outcome = outcome
        self.verify_result = verify_result
        self.roll_back = roll_back


@workflow.defn(name=WorkflowName.REMEDIATION)
class MapekRemediation(OperatorHandlers):
    """The execution of one plan on one knob."""

    @workflow.init
    def __init__(self, request: RemediationRequest) -> None:
        """Create the state here: handlers can run before `run`."""
        super().__init__(request)
        self.steps_to_undo: list[int] = []
        self.applied: list[str] = []
        self.rolled_back: list[str] = []
        self.failed_step: RecordRequest | None = None
        self.problem_persisted = False
        self.unapplied_steps: list[int] = []
        self.applied_at: float | None = None

    @workflow.run
    async def run(self, request: RemediationRequest) -> RemediationResult:
        """Execute the plan, record the outcome, and hold the knob while it cools down."""
        try:
            if request.roll_back_leftover:
                await self.find_leftover()
            async with self.before_first_effect():
                await self.prepare()
                await self.approve()
            await self.apply()
            await self.verify()
        except _Concluded as concluded:
            outcome = await self.roll_back(concluded) if concluded.roll_back else self.keep(concluded)
        recorded = await self.record(outcome)
        await self.hold_quarantine(recorded)
        await self.cool_down(recorded)
        return self.make_result(recorded)

    async def find_leftover(self) -> None:
        """Conclude with a rollback of the steps that a terminated predecessor left applied."""
        await self.find_applied_steps()
        stopped = make_outcome(RemediationOutcome.STOPPED, "its remediation was terminated; rolled back by upkeep")
        raise _Concluded(stopped, roll_back=True)

    @asynccontextmanager
    async def before_first_effect(self) -> AsyncIterator[None]:
        """Conclude if a step before the first effect fails or is cancelled."""
        try:
            yield
        except (FailureError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                outcome = make_outcome(RemediationOutcome.STOPPED, "stopped by an operator before anything was applied")
            else:
                outcome = make_outcome(RemediationOutcome.FAILED, f"could not be prepared: {error_reason(error)}")
            raise await self.abandon(outcome) from error

    async def abandon(self, outcome: RecordRequest) -> _Concluded:
        """Return the conclusion before the first effect. Steps applied before a reset of this run are rolled back."""
        if self.was_reset():
            try:
                await self.find_applied_steps()
            except ActivityError as error:
                headline = f"{outcome.headline}; the applied steps are unknown: {error_reason(error)}"
                return _Concluded(make_outcome(outcome.outcome, headline))
        return _Concluded(outcome, roll_back=bool(self.steps_to_undo))

    def was_reset(self) -> bool:
        """Return whether this run continues after a reset; in replay, history decides."""
        info = workflow.info()
        reset = workflow.unsafe.is_replaying() or info.run_id != info.original_execution_run_id
        return reset and workflow.patched("undo-before-reset")

    async def prepare(self) -> None:
        """Let the problem settle, then check the plan."""
        if self.request.settle > 0:
            await workflow.sleep(self.request.settle, summary="settle: does the problem persist?")
        await self.check_plan()

    async def check_plan(self) -> None:
        """Check the plan against the worker's own rules and the present. A refusal concludes."""
        self.prepared = await workflow.execute_activity_method(
            PrepareActivities.prepare,
            PrepareRequest(plan_id=self.request.plan_id, answer=self.answer, requested_at=workflow.time()),
            summary=f"is plan {self.request.plan_id} still right?",
            **options.PREPARE_OPTIONS,
        )
        if not self.prepared.outcome:
            self.problem_persisted = True
            return
        applied = [number for number, step in enumerate(self.prepared.steps) if step.is_applied]
        # Only after a reset: the plan is no longer right, and some of its steps are applied.
        if applied and workflow.patched("undo-what-stands"):
            self.steps_to_undo = applied
        refusal = make_outcome(self.prepared.outcome, self.prepared.headline)
        raise _Concluded(refusal, roll_back=bool(self.steps_to_undo))

    async def approve(self) -> None:
        """Wait for an operator if the plan needs approval, and check it again afterwards."""
        if not self.prepared.needs_approval:
            return
        self.set_phase(Phase.AWAITING_APPROVAL)
        await self.wait_for_decision()
        if self.yield_request:
            headline = f"yielded while waiting for approval: {self.yield_request.reason}"
            raise _Concluded(make_outcome(self.yield_request.outcome, headline))
        if self.answer is None:
            headline = f"no decision within {self.prepared.deadline:.0f} s"
            raise _Concluded(make_outcome(RemediationOutcome.EXPIRED, headline))
        if not self.answer.approve:
            headline = f"rejected by {self.answer.actor}: {self.answer.reason}"
            raise _Concluded(make_outcome(RemediationOutcome.REJECTED, headline))
        self.set_phase(Phase.APPLYING)
        await self.check_plan()

    async def wait_for_decision(self) -> None:
        """Wait for an answer, a yield request or the deadline.

        An answer that arrives in the same task as the deadline was already acknowledged, and so it counts.
        """
        self.awaiting_approval = True
        try:
            await workflow.wait_condition(
                lambda: self.answer is not None or self.yield_request is not None,
                timeout=self.prepared.deadline,
                timeout_summary=f"approval deadline: {self.prepared.headline}"[:180],
            )
        except TimeoutError:
            workflow.logger.info("approval deadline passed")
        finally:
            self.awaiting_approval = False

    async def apply(self) -> None:
        """Apply the steps. A failure concludes, unless the steps before it may be verified."""
        for number, step in enumerate(self.prepared.steps):
            if cancellation_requested() or not await self.apply_step(number, step.summary):
                break
        if cancellation_requested() or (self.failed_step and not await self.undo_failed_step(self.failed_step)):
            raise _Concluded(self.failed_step or self.make_stopped_outcome(), roll_back=True)

    async def apply_step(self, number: int, text: str) -> bool:
        """Apply one step, fenced by the generation that the step before it left. Return whether it was applied."""
        # Before the effect: a step with an unknown result must be undone too.
        self.steps_to_undo.append(number)
        handle = workflow.start_activity_method(
            ExecuteActivities.apply,
            ApplyRequest(
                plan_id=self.request.plan_id,
                step=number,
                generation=self.prepared.generation,
                requested_at=workflow.time(),
            ),
            summary=text[:180],
            **options.apply_options(self.prepared.timeout, self.prepared.retries),
        )
        try:
            result = await wait_shielded(handle)
        except ActivityError as error:
            outcome = OUTCOME_BY_ERROR.get(error_type(error), RemediationOutcome.FAILED)
            self.failed_step = make_outcome(outcome, f"{text} could not be applied: {error_reason(error)}")
            return False
        # Server time: a skewed worker clock must not admit samples from before the change.
        self.applied_at = workflow.time()
        self.prepared = self.prepared.model_copy(update={"generation": result.generation})
        self.applied.append(text)
        return True

    async def undo_failed_step(self, failure: RecordRequest) -> bool:
        """Undo only the failed step. Return whether the steps before it may be verified.

        They may not while the failed step can still be applied.
        """
        if self.prepared.transactional or not self.applied:
            return False
        if not workflow.patched("undo-what-failed"):
            return True
        number = self.steps_to_undo.pop()
        undo_failure = await self.undo_step(number, failure.headline)
        if undo_failure:
            self.steps_to_undo.append(number)
        return not undo_failure and not cancellation_requested()

    async def verify(self) -> None:
        """Verify the effect by samples taken after it, and conclude. A verification that fails is inconclusive."""
        self.set_phase(Phase.VERIFYING)
        result = await self.run_verification(rollback=False)
        if cancellation_requested():
            raise _Concluded(self.make_stopped_outcome(), roll_back=True)
        if result.consequence is Consequence.ROLL_BACK:
            raise _Concluded(make_outcome(RemediationOutcome.ROLLED_BACK, result.headline), result, roll_back=True)
        headline = f"{result.headline}; {self.failed_step.headline}" if self.failed_step else result.headline
        raise _Concluded(make_outcome(result.verdict.value, headline), result)

    async def run_verification(self, *, rollback: bool) -> VerifyResult:
        """Run one verification, of the plan or of its rollback."""
        subject = "ROLLBACK: is the previous state back?" if rollback else "did it help?"
        since = self.applied_at if self.applied_at is not None and not rollback else workflow.time()
        handle = workflow.start_activity_method(
            VerifyActivities.verify,
            VerifyRequest(plan_id=self.request.plan_id, since=since, rollback=rollback),
            summary=subject + f" {', '.join(self.applied)}"[:150],
            task_queue=VERIFY_TASK_QUEUE,
            **options.verify_options(self.prepared.verification_duration),
        )
        try:
            return await (wait_shielded(handle) if rollback else handle)
        except (FailureError, asyncio.CancelledError) as error:
            return VerifyResult.not_performed(
                f"could not be verified: {error_reason(error)}", risky=self.prepared.risky
            )

    async def find_applied_steps(self) -> None:
        """Read which steps of the plan are applied at Charter without a remediation; they must be undone."""
        handle = workflow.start_activity_method(
            PrepareActivities.prepare,
            PrepareRequest(plan_id=self.request.plan_id, leftover=True),
            summary=f"which steps of plan {self.request.plan_id} are still applied?",
            **options.UNDO_OPTIONS,
        )
        self.prepared = await wait_shielded(handle)
        self.steps_to_undo = [number for number, step in enumerate(self.prepared.steps) if step.is_applied]
        self.applied = [self.prepared.steps[number].summary for number in self.steps_to_undo]

    def keep(self, concluded: _Concluded) -> RecordRequest:
        """Return the outcome of a remediation without a rollback."""
        return self.with_measurements(concluded.outcome, concluded.verify_result)

    async def roll_back(self, concluded: _Concluded) -> RecordRequest:
        """Undo in reverse every step that was or may have been applied, and verify that.

        A step that cannot be undone does not prevent the others from being undone.
        """
        self.set_phase(Phase.ROLLING_BACK)
        failures = [
            failure
            for number in reversed(self.steps_to_undo)
            if (failure := await self.undo_step(number, concluded.outcome.headline))
        ]
        if self.rolled_back:
            result = await self.run_verification(rollback=True)
            failures += [result.headline] if result.verdict is Verdict.WORSE else []
        outcome = outcome_after_rollback(concluded.outcome, concluded.verify_result, self.rolled_back, failures)
        return self.with_measurements(outcome, concluded.verify_result)

    async def undo_step(self, number: int, reason: str) -> str:
        """Undo one step. Return why it could not be undone, empty if it was or nothing was applied."""
        text = self.prepared.steps[number].summary
        handle = workflow.start_activity_method(
            ExecuteActivities.undo,
            UndoRequest(plan_id=self.request.plan_id, step=number, requested_at=workflow.time()),
            summary=f"ROLLBACK {text}: {reason}"[:180],
            **options.UNDO_OPTIONS,
        )
        try:
            result = await wait_shielded(handle)
        except ActivityError as error:
            return f"{text} could not be undone: {error_reason(error)}"
        if result.changed:
            self.rolled_back.append(text)
        if result.not_applied:
            self.unapplied_steps.append(number)
        return result.failed

    async def record(self, outcome: RecordRequest) -> RecordResult:
        """Record the outcome in Knowledge, exactly once, before the knob cools down."""
        self.undo_failed = bool(outcome.undo_failed)
        unapplied = self.unapplied_steps if self.steps_to_undo else range(len(self.prepared.steps))
        handle = workflow.start_activity_method(
            KnowledgeActivities.record,
            outcome.model_copy(
                update={
                    "plan_id": self.request.plan_id,
                    "answer": self.answer,
                    "ended_at": workflow.time(),
                    "problem_persisted": self.problem_persisted,
                    "unapplied_steps": tuple(unapplied),
                }
            ),
            summary=f"{outcome.outcome}: {outcome.headline}"[:180],
            **options.RECORD_OPTIONS,
        )
        return await wait_shielded(handle)

    async def hold_quarantine(self, recorded: RecordResult) -> None:
        """Keep a quarantined knob locked until an operator releases it. A cancellation does not release it."""
        if not recorded.quarantined:
            return
        self.set_phase(Phase.QUARANTINED, recorded.outcome)
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
            **options.RECORD_OPTIONS,
        )
        await wait_shielded(handle)

    async def cool_down(self, recorded: RecordResult) -> None:
        """Hold the lock while the knob cools down. A cancellation only ends the cool-down."""
        if recorded.cool_down > 0 and not cancellation_requested():
            self.set_phase(Phase.COOLING_DOWN, recorded.outcome)
            try:
                await workflow.sleep(recorded.cool_down, summary=f"cool-down {recorded.cool_down:.0f} s")
            except asyncio.CancelledError:
                workflow.logger.info("cool-down ended by an operator")
        self.set_phase(Phase.DONE, recorded.outcome)

    def make_result(self, recorded: RecordResult) -> RemediationResult:
        """Return the result of the workflow."""
        return RemediationResult(
            headline=recorded.headline,
            outcome=recorded.outcome,
            plan=self.request.plan_id,
            applied=tuple(self.applied),
            rolled_back=tuple(self.rolled_back),
            quarantined=recorded.quarantined,
        )

    def make_stopped_outcome(self) -> RecordRequest:
        """Return the outcome after a cancellation."""
        return make_outcome(RemediationOutcome.STOPPED, "stopped by an operator")

    def with_measurements(self, outcome: RecordRequest, verify_result: VerifyResult | None = None) -> RecordRequest:
        """Return the outcome with the seconds since the apply and the figures of the verification."""
        seconds = workflow.time() - self.applied_at if self.applied_at is not None else None
        figures = {} if verify_result is None else verify_result.model_dump(include={"verdict", "before", "after"})
        return outcome.model_copy(update={"seconds": seconds, **figures})

    def set_phase(self, phase: Phase, outcome: str = "") -> None:
        """Set the phase, and the recorded outcome, as search attributes."""
        workflow.upsert_search_attributes(
            build_search_attribute_updates(
                {
                    search_attributes.PHASE: phase,
                    search_attributes.OUTCOME: outcome,
                    search_attributes.BLOCKED_BY: self.prepared.blocked_by,
                }
            )
        )


@workflow.defn(name=WorkflowName.FORMER_REMEDIATION)
class Remediation(MapekRemediation):
    """The former name of the type: for histories and running workflows from before it was renamed."""

    @workflow.init
    def __init__(self, request: RemediationRequest) -> None:
        """Create the same state."""
        super().__init__(request)

    @workflow.run
    async def run(self, request: RemediationRequest) -> RemediationResult:
        """Execute the plan as `MapekRemediation` does."""
        return await super().run(request)
