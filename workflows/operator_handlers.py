"""The updates and signals of a remediation: from operators, from cycles and from upkeep."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.model.remediation import Approval, PrepareResult, RemediationRequest, ResumeRequest, YieldRequest


class OperatorHandlers:
    """The handlers of a remediation, and the state they change."""

    def __init__(self, request: RemediationRequest) -> None:
        """Start without any message."""
        self.request = request
        self.prepared = PrepareResult(headline="not prepared yet")
        self.awaiting_approval = False
        self.answer: Approval | None = None
        self.yield_request: YieldRequest | None = None
        self.undo_failed = False
        self.resume_request: ResumeRequest | None = None

    @workflow.update(description="approve or reject the plan that waits: {plan, approve, actor, reason}")
    def decide(self, approval: Approval) -> str:
        """Take an operator's decision."""
        self.answer = approval
        return f"plan {approval.plan} {'approved' if approval.approve else 'rejected'} by {approval.actor}"

    @decide.validator
    def validate_decision(self, approval: Approval) -> None:
        """Refuse an unexpected or anonymous decision, or one on another plan. A refusal leaves no trace in history."""
        if not self.awaiting_approval or self.answer or self.yield_request:
            raise ApplicationError("this plan is not waiting for a decision")
        if approval.plan != self.request.plan_id:
            raise ApplicationError(f"the plan that waits is {self.request.plan_id}, not {approval.plan}")
        if not approval.actor.strip():
            raise ApplicationError("a decision needs an actor: set the key actor to your name")
        requester = self.prepared.requested_by.strip().casefold()
        if approval.approve and requester and approval.actor.strip().casefold() == requester:
            raise ApplicationError(f"{approval.actor} requested this plan: another operator must approve it")

    @workflow.signal(name="yield", description="yield while waiting for approval: {plan, outcome, reason}")
    def yield_to(self, request: YieldRequest) -> None:
        """Yield if the request names this plan and it still waits for approval."""
        if self.awaiting_approval and not self.answer and request.plan == self.request.plan_id:
            self.yield_request = request

    @workflow.signal(description="release a quarantined knob: {actor, reason}")
    def resume(self, request: ResumeRequest | None = None) -> None:
        """Release the quarantine. A request from before the rollback failed is ignored: it is about another state."""
        if self.undo_failed:
            self.resume_request = request or ResumeRequest(actor="unknown operator", reason="no reason given")
