"""The Temporal side of Prepare: this worker and Charter check the plan again before anything is sent."""

import asyncio

from temporalio import activity

from activities.analyze.diagnose import diagnose
from activities.dependencies import Dependencies
from activities.execute.calls import build_policy_body
from activities.execute.prepare.preflight import PreflightFacts, preflight_check
from activities.heartbeat import background_heartbeat
from activities.knowledge.approval_entry import build_approval_entry
from activities.model.action import Route
from activities.model.errors import Rejected
from activities.model.incident import Rung
from activities.model.mode import with_kill_switch
from activities.model.notification import NotificationKind
from activities.model.plan import Plan
from activities.model.remediation import PrepareRequest, PrepareResult
from activities.model.remediation_outcome import RemediationOutcome
from activities.model.types import truncate
from activities.monitor.current_state import build_current_state
from activities.monitor.judgement import judge
from activities.notify.events import notification_for_approval
from activities.plan.guards.storm import judge_storm
from activities.readings.alertmanager import fetch_alertmanager, silenced_or_all
from activities.readings.analysis_input import collect_analysis_input
from activities.readings.error_budget import read_error_budget
from activities.readings.guard_state import load_guard_state
from activities.readings.permissions import load_autonomy, load_effective_mode
from activities.readings.step_state import load_step_state


class PrepareActivities:
    """Decides whether a stored plan may be applied now."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies
        self.store = dependencies.store

    @activity.defn(name="prepare")
    async def prepare(self, request: PrepareRequest) -> PrepareResult:
        """Check the stored plan against this worker's configuration and the present state; validate it at Charter.

        Raises:
            NotFound: The plan does not exist.
            StoreUnavailable, Unreachable, Overloaded: Nothing was changed; a retry may succeed.
            Superseded: The plan ended while this attempt was delayed.
        """
        async with background_heartbeat():
            plan = await self.store.plans.get(request.plan_id)
            if request.answer:
                entry = build_approval_entry(request.answer, plan, self.dependencies.clock())
                await self.store.audit.append_once(entry)
                await self.store.notifications.close(
                    plan.plan_id, (NotificationKind.APPROVAL,), f"{entry.summary}, by {entry.actor}", entry.at
                )
            facts = await self.collect_facts(plan, approved=request.answer is not None)
            prepared = preflight_check(plan, facts)
            if request.leftover or prepared.outcome:
                return prepared
            refusal = await self.validate_policies(plan)
            if refusal:
                return prepared.model_copy(update={"outcome": RemediationOutcome.FAILED, "headline": truncate(refusal)})
            rung = Rung(rung=plan.rung, plan_id=plan.plan_id, cause=plan.cause, component=plan.component)
            await self.store.guards.start_rung(plan.problem_at(facts.at), rung, request.requested_at)
            if prepared.needs_approval:
                await self.store.notifications.open_or_touch(notification_for_approval(plan, prepared, facts.at))
            return prepared

    async def collect_facts(self, plan: Plan, *, approved: bool) -> PreflightFacts:
        """Read the present state, the guards of the knob and the state of the plan's steps."""
        loop, now = self.dependencies.loop(plan.loop), self.dependencies.clock()
        analysis_input, alertmanager_state = await asyncio.gather(
            collect_analysis_input(loop, now), fetch_alertmanager(loop)
        )
        judgement = judge(analysis_input)
        diagnosis = diagnose(analysis_input, loop.settings.analyze)
        guards = await load_guard_state(self.store, plan.charter, analysis_input, now, except_plan=plan.plan_id)
        mode = await load_effective_mode(self.store, loop.settings, now)
        steps = await load_step_state(self.store, plan)
        return PreflightFacts(
            at=now,
            mode=with_kill_switch(self.dependencies.kill_switch(), mode),
            guards=guards,
            state=build_current_state(analysis_input, judgement),
            component_count=len(analysis_input.components),
            settings=loop.settings.plan,
            execute=loop.settings.execute,
            autonomy=await load_autonomy(self.store, loop.settings),
            approved=approved,
            unresolved=steps.unresolved,
            last_generation=steps.last_generation,
            previous_outcome=steps.outcome if steps.changed_charter else "",
            storm=judge_storm(guards.storm(plan.loop), analysis_input, diagnosis, plan.loop, loop.settings.plan.storm),
            silenced=silenced_or_all(alertmanager_state, loop, analysis_input.components),
            error_budget=await read_error_budget(loop, now),
        )

    async def validate_policies(self, plan: Plan) -> str:
        """Return why Charter refuses a policy of the plan, empty if it accepts all."""
        charter = self.dependencies.loop(plan.loop).charter
        for action in plan.actions:
            try:
                if action.route is Route.APPLY and not action.rollback_of:
                    await charter.validate(build_policy_body(action))
            except Rejected as error:
                return f"Charter refuses {action.summary}: {error}"
        return ""
