"""The Temporal side of Verify, on its own task queue."""

import asyncio

from temporalio import activity

from activities.analyze.analysis_input import grid_timing
from activities.dependencies import Dependencies, LoopDependencies
from activities.execute.verify.sampling import build_samples
from activities.execute.verify.verification import (
    baseline_instants,
    change_sent_at,
    is_conclusive,
    next_sample_at,
    sample_instants,
    verify_effect,
    verify_rollback,
    with_measured_baseline,
    with_rollback_tolerance,
)
from activities.heartbeat import background_heartbeat
from activities.model.remediation import VerifyRequest, VerifyResult
from activities.model.snapshot import AnalysisInput
from activities.readings.analysis_input import collect_analysis_input
from activities.readings.step_state import load_step_state
from activities.singleflight import SingleFlight

MAX_CONCURRENT_READINGS = 2
"""Readings at the same time. They are CPU-bound and can wait; a hundred in parallel would delay Monitor."""


class VerifyActivities:
    """Verifies effects by samples taken after them."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies
        self.readings = SingleFlight[AnalysisInput](MAX_CONCURRENT_READINGS)

    @activity.defn(name="verify")
    async def verify(self, request: VerifyRequest) -> VerifyResult:
        """Wait for a conclusive verdict or for all samples; return the verdict with its consequence.

        Keeps no state between polls: each reads the range data since the change again, so that another worker can
        continue at any point.
        """
        async with background_heartbeat():
            plan = await self.dependencies.store.plans.get(request.plan_id)
            steps = await load_step_state(self.dependencies.store, plan)
            if steps.outcome and not request.rollback:
                return VerifyResult.already_concluded(f"the plan ended before: {steps.outcome}")
            if steps.undo_started and not request.rollback:
                return VerifyResult.not_performed("the plan was being rolled back before")
            loop, rule = self.dependencies.loop(plan.loop), plan.verification
            now = self.dependencies.clock()
            if not sample_instants(rule, request.since, now):
                # Nothing to read before the first sample is due.
                await asyncio.sleep((next_sample_at(rule, request.since, now) or now) - now)
            while True:
                now = self.dependencies.clock()
                reading = await self.load_reading(loop, now)
                sent_at = change_sent_at(steps.sent_at, request.since, reading.grid[0])
                rule = with_measured_baseline(
                    plan.verification, build_samples(reading, baseline_instants(plan.verification, sent_at))
                )
                measured_plan = plan.model_copy(update={"verification": rule})
                if request.rollback:
                    rule = with_rollback_tolerance(rule, build_samples(reading, (request.since,)))
                samples = build_samples(reading, sample_instants(rule, request.since, now))
                next_at = next_sample_at(rule, request.since, now)
                if next_at is None or is_conclusive(rule, samples, request.rollback):
                    break
                await asyncio.sleep(next_at - now)
            if request.rollback:
                return verify_rollback(measured_plan, samples, rule)
            return verify_effect(measured_plan, samples, loop.settings.execute.rollback_enabled)

    async def load_reading(self, loop: LoopDependencies, at: float) -> AnalysisInput:
        """Return the range data up to `at` (unix seconds) or later; verifications on the same grid share it."""
        end = grid_timing(at, loop.settings.monitor, loop.settings.analyze).instants[-1]
        # The clock is read when the turn comes, maybe seconds later: the reading must be of the present.
        return await self.readings.run(
            (loop.settings.name, end), lambda: collect_analysis_input(loop, self.dependencies.clock())
        )
