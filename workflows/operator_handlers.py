"""What people may tell a remediation, and a cheaper plan ask of one that waits for them."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities.model.remediation import Approval, PrepareResult, RemediationRequest, ResumeRequest, YieldRequest


class OperatorHandlers:
    """A remediation's side towards people: what it was told, and which words it takes when."""

    def __init__(self, request: RemediationRequest) -> None:
        """Nothing was said yet."""
        self.request = request
        self.prepared = PrepareResult(headline="not prepared yet")
        self.awaiting_approval = False
        self.answer: Approval | None = None
        self.yield_request: YieldRequest | None = None
        self.undo_failed = False
        self.resume_request: ResumeRequest | None = None

    @workflow.update(description="approve or reject the plan that waits: {plan, approve, who, why}")
    def decide(self, approval: Approval) -> str:
        """Take a person's decision."""
        self.answer = approval
        return f"plan {approval.plan} {'approved' if approval.approve else 'rejected'} by {approval.actor}"

    @decide.validator
    def validate_decision(self, approval: Approval) -> None:
        """Refuse a decision nobody asked for, on another plan, or by nobody; a refusal leaves no trace in history."""
        if not self.awaiting_approval or self.answer or self.yield_request:
            raise ApplicationError("this plan is not waiting for a decision")
        if approval.plan != self.request.plan_id:
            raise ApplicationError(f"the plan that waits is {self.request.plan_id}, not {approval.plan}")
        if not approval.actor.strip():
            raise ApplicationError("a decision needs a name: who")
        asked = self.prepared.requested_by.strip().casefold()
        if approval.approve and asked and approval.actor.strip().casefold() == asked:
            raise ApplicationError(f"{approval.actor} asked for this plan: somebody else has to approve it")

    @workflow.signal(name="yield", description="give way while waiting for approval: {plan, ending, why}")
    def yield_to(self, request: YieldRequest) -> None:
        """Give way, if it is this plan that is meant and it still waits."""
        if self.awaiting_approval and not self.answer and request.plan == self.request.plan_id:
            self.yield_request = request

    @workflow.signal(description="release a quarantined knob: {who, why}")
    def resume(self, request: ResumeRequest | None = None) -> None:
        """Release the quarantine; before a rollback has failed there is none that anybody could have looked at."""
        if self.undo_failed:
            self.resume_request = request or ResumeRequest(actor="somebody", reason="no reason given")
