"""MapekUpkeep: rolls back leftovers of crashed remediations, ends needless waits, closes quiet incidents, retention.

A terminated or timed-out remediation can leave its plan half applied. Upkeep finds such a leftover and rolls it back
under the same lock.
"""

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.model.cycle import PlanSummary
    from activities.model.identifiers import WorkflowName
    from activities.model.phase import Phase
    from activities.model.remediation import RemediationRequest
    from activities.model.upkeep import CoolingRemediation, UpkeepRequest, UpkeepResult
    from activities.upkeep.activity import UpkeepActivities
    from workflows import options, search_attributes
    from workflows.search_attributes import build_search_attributes
    from workflows.yield_request import request_yield


COOL_DOWN_END_GRACE_SECONDS = 2.0
"""Seconds that a cancelled cool-down needs to end."""


@workflow.defn(name=WorkflowName.UPKEEP)
class MapekUpkeep:
    """One round of upkeep of one loop."""

    @workflow.run
    async def run(self, request: UpkeepRequest) -> UpkeepResult:
        """Find leftovers and plans that should yield, and start what they need."""
        result = await workflow.execute_activity_method(
            UpkeepActivities.upkeep, request, summary=f"leftovers of {request.loop}", **options.UPKEEP_OPTIONS
        )
        for remediation in result.cooling_remediations:
            await self.end_cool_down(remediation)
        if result.cooling_remediations:
            await workflow.sleep(COOL_DOWN_END_GRACE_SECONDS, summary="wait for the cool-downs to end")
        for leftover in result.leftovers:
            await self.start_leftover_rollback(request, leftover)
        for order in result.yield_orders:
            await request_yield(order.workflow_id, order.signal)
        return result

    async def start_leftover_rollback(self, request: UpkeepRequest, leftover: PlanSummary) -> None:
        """Start a remediation that rolls the leftover back, unless the knob is locked again."""
        try:
            await workflow.start_child_workflow(
                leftover.workflow_type,
                RemediationRequest(loop=request.loop, plan_id=leftover.plan_id, roll_back_leftover=True),
                id=leftover.workflow_id,
                parent_close_policy=ParentClosePolicy.ABANDON,
                static_summary=f"ROLLBACK of a leftover: {leftover.headline}"[:180],
                search_attributes=build_search_attributes(
                    {
                        search_attributes.LOOP: request.loop,
                        search_attributes.PHASE: Phase.ROLLING_BACK,
                        search_attributes.KNOB: leftover.knob,
                        search_attributes.PLAN: leftover.plan_id,
                        search_attributes.ROOT_CAUSE: leftover.cause,
                    }
                ),
            )
        except WorkflowAlreadyStartedError:
            workflow.logger.info("%s is locked; the next round rolls its leftover back", leftover.knob)

    async def end_cool_down(self, remediation: CoolingRemediation) -> None:
        """Cancel a remediation that only cools down: its knob is needed to roll a leftover back."""
        try:
            await workflow.get_external_workflow_handle(remediation.workflow_id, run_id=remediation.run_id).cancel()
        except FailureError:
            workflow.logger.info("%s no longer cools down", remediation.workflow_id)
