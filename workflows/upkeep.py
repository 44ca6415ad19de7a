"""MapekUpkeep: leftovers, plans that wait for nothing, quiet incidents, retention.

What a terminated or timed-out remediation left half applied is found here and settled under the same lock.
"""

from temporalio import workflow
from temporalio.exceptions import FailureError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.model.cycle import PlanSummary
    from activities.model.identifiers import WorkflowName
    from activities.model.phase import Phase
    from activities.model.remediation import RemediationRequest
    from activities.model.upkeep import CoolingRemediation, UpkeepRequest, UpkeepResult, YieldOrder
    from activities.upkeep.activity import UpkeepActivities
    from workflows import options, search_attributes
    from workflows.search_attributes import build_search_attributes


COOL_DOWN_END_GRACE_SECONDS = 2.0
"""Seconds a remediation that rests needs to end."""


@workflow.defn(name=WorkflowName.UPKEEP)
class MapekUpkeep:
    """One round of upkeep of one loop."""

    @workflow.run
    async def run(self, request: UpkeepRequest) -> UpkeepResult:
        """Look what is left to do, and start it."""
        found = await workflow.execute_activity_method(
            UpkeepActivities.upkeep, request, summary=f"what is left to settle in {request.loop}?", **options.UPKEEP
        )
        for resting in found.cooling_remediations:
            await self.end_cool_down(resting)
        if found.cooling_remediations:
            await workflow.sleep(COOL_DOWN_END_GRACE_SECONDS, summary="whoever rests there ends first")
        for leftover in found.leftovers:
            await self.start_leftover_rollback(request, leftover)
        for waiting in found.yield_orders:
            await self.request_yield(waiting)
        return found

    async def start_leftover_rollback(self, request: UpkeepRequest, leftover: PlanSummary) -> None:
        """Start a remediation that rolls the leftover back; if the knob is locked again, its holder comes first."""
        try:
            await workflow.start_child_workflow(
                leftover.workflow_type,
                RemediationRequest(loop=request.loop, plan_id=leftover.plan_id, roll_back_leftover=True),
                id=leftover.workflow_id,
                parent_close_policy=ParentClosePolicy.ABANDON,
                static_summary=f"ROLLBACK of what was left of: {leftover.headline}"[:180],
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
            workflow.logger.info("%s is locked; its leftover waits for the next round", leftover.knob)

    async def end_cool_down(self, remediation: CoolingRemediation) -> None:
        """Cancel a remediation that only cools down: its knob is needed to settle what turned up after its end."""
        try:
            await workflow.get_external_workflow_handle(remediation.workflow_id, run_id=remediation.run_id).cancel()
        except FailureError:
            workflow.logger.info("%s does not rest any more", remediation.workflow_id)

    async def request_yield(self, order: YieldOrder) -> None:
        """Ask a plan that waits for an approval to give way; it may just have ended by itself."""
        try:
            lock = workflow.get_external_workflow_handle(order.workflow_id)
            await lock.signal("yield", order.signal)
        except FailureError:
            workflow.logger.info("%s does not wait any more", order.workflow_id)
