"""MapekCycle: one pass Monitor → Analyze → Plan → Execute → Knowledge.

A cycle always ends within a minute. The long part, a remediation, is a detached child with a fixed id per knob: under
overlap SKIP, a cycle that waited for its remediation would silently stop monitoring. Knowledge is the last step of the
remediation, and the plan of the next cycle uses it.
"""

import asyncio

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from activities.analyze.activity import AnalyzeActivities
    from activities.model.cycle import (
        AnalyzeRequest,
        CycleOutcome,
        CycleRequest,
        CycleResult,
        DecisionSummary,
        DiagnosisSummary,
        MonitorRequest,
        PlanRequest,
        PlanSummary,
    )
    from activities.model.identifiers import WorkflowName
    from activities.model.observation import Observation
    from activities.model.phase import Phase
    from activities.model.remediation import RemediationRequest, YieldRequest
    from activities.model.remediation_outcome import RemediationOutcome
    from activities.monitor.activity import MonitorActivities
    from activities.plan.activity import PlanActivities
    from workflows import options, search_attributes
    from workflows.search_attributes import build_search_attribute_updates, build_search_attributes
    from workflows.yield_request import request_yield


@workflow.defn(name=WorkflowName.CYCLE)
class MapekCycle:
    """One cycle of one loop."""

    @workflow.run
    async def run(self, request: CycleRequest) -> CycleResult:
        """Monitor; with violations, analyze and plan, and start the remediations of the plans."""
        observation = await self.monitor(request)
        if observation.outcome:
            return self.publish_result(result_after_monitor(observation))
        diagnosis = await self.analyze(request, observation)
        if diagnosis.outcome:
            return self.publish_result(result_after_analyze(diagnosis))
        decision = await self.plan(request, observation, diagnosis)
        started = await self.start_remediations(request, decision)
        return self.publish_result(result_after_plan(diagnosis, decision, started))

    async def monitor(self, request: CycleRequest) -> Observation:
        """Read violations and blind spots from Prometheus and Charter."""
        return await workflow.execute_activity_method(
            MonitorActivities.monitor,
            MonitorRequest(loop=request.loop),
            summary=f"violations and blind spots of {request.loop}",
            **options.MONITOR_OPTIONS,
        )

    async def analyze(self, request: CycleRequest, observation: Observation) -> DiagnosisSummary:
        """Find patterns and causes in the recent past of the observation."""
        return await workflow.execute_activity_method(
            AnalyzeActivities.analyze,
            AnalyzeRequest(loop=request.loop, at=observation.at),
            summary=observation.headline[:120],
            **options.ANALYZE_OPTIONS,
        )

    async def plan(
        self, request: CycleRequest, observation: Observation, diagnosis: DiagnosisSummary
    ) -> DecisionSummary:
        """Decide from the stored analysis input, experience and guard state."""
        return await workflow.execute_activity_method(
            PlanActivities.plan,
            PlanRequest(
                loop=request.loop,
                cycle_id=workflow.info().workflow_id,
                digest=diagnosis.digest,
                silenced=observation.silenced,
            ),
            summary=diagnosis.headline[:120],
            **options.PLAN_OPTIONS,
        )

    async def start_remediations(self, request: CycleRequest, decision: DecisionSummary) -> list[bool]:
        """Start one remediation per plan. Return for each plan whether its knob was free."""
        return list(await asyncio.gather(*(self.start_remediation(request, plan) for plan in decision.plans)))

    async def start_remediation(self, request: CycleRequest, plan: PlanSummary) -> bool:
        """Start the plan's remediation and wait for its start only: an unstarted child ends with its parent."""
        try:
            await workflow.start_child_workflow(
                plan.workflow_type,
                RemediationRequest(loop=request.loop, plan_id=plan.plan_id, settle=plan.settle),
                id=plan.workflow_id,
                parent_close_policy=ParentClosePolicy.ABANDON,
                static_summary=plan.headline[:180],
                static_details=request.links or None,
                search_attributes=build_search_attributes(
                    {
                        search_attributes.LOOP: request.loop,
                        search_attributes.TRIGGER: request.trigger,
                        search_attributes.PHASE: Phase.PREPARING,
                        search_attributes.KNOB: plan.knob,
                        search_attributes.PLAN: plan.plan_id,
                        search_attributes.ROOT_CAUSE: plan.cause,
                        search_attributes.SCORE: plan.score,
                    }
                ),
            )
        except WorkflowAlreadyStartedError:
            if plan.supersedes:
                reason, outcome = plan.headline, RemediationOutcome.SUPERSEDED
                await request_yield(
                    plan.workflow_id, YieldRequest(plan=plan.supersedes, outcome=outcome, reason=reason)
                )
            return False
        return True

    def publish_result(self, result: CycleResult) -> CycleResult:
        """Set the search attributes of the outcome: the only upsert of a cycle."""
        workflow.upsert_search_attributes(
            build_search_attribute_updates(
                {
                    search_attributes.OUTCOME: result.outcome,
                    search_attributes.VIOLATIONS: result.violations,
                    search_attributes.ROOT_CAUSE: result.root_cause,
                    search_attributes.PLAN: result.plans[0] if result.plans else "",
                    search_attributes.BLOCKED_BY: result.blocked_by[0] if result.blocked_by else "",
                }
            )
        )
        return result


def result_after_monitor(observation: Observation) -> CycleResult:
    """Return the result of a cycle that ends after Monitor: healthy or blind."""
    return CycleResult(
        headline=observation.headline,
        outcome=observation.outcome,
        violations=tuple(v.summary for v in observation.violations),
        blind=tuple(b.summary for b in observation.blind),
    )


def result_after_analyze(diagnosis: DiagnosisSummary) -> CycleResult:
    """Return the result of a cycle that ends after Analyze."""
    return CycleResult(
        headline=diagnosis.headline,
        outcome=diagnosis.outcome,
        violations=diagnosis.violations,
        blind=diagnosis.blind,
    )


def result_after_plan(diagnosis: DiagnosisSummary, decision: DecisionSummary, started: list[bool]) -> CycleResult:
    """Return the result of a cycle that planned. `started` holds for each plan whether its knob was free."""
    outcome, headline = decision.outcome, decision.headline
    if decision.plans and not any(started):
        outcome = CycleOutcome.BUSY
        headline = f"{CycleOutcome.BUSY}: " + ", ".join(f"{plan.knob} is being remediated" for plan in decision.plans)
    return CycleResult(
        headline=headline,
        outcome=outcome,
        plans=tuple(plan.plan_id for plan, free in zip(decision.plans, started, strict=True) if free),
        violations=diagnosis.violations,
        blind=diagnosis.blind,
        root_cause=decision.root_cause,
        rejected=decision.rejected,
        blocked_by=decision.blocked_by,
    )
