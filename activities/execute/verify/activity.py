"""The Temporal side of verifying, on its own queue."""

import asyncio

from temporalio import activity

from activities.analyze.activity import collect_analysis_input
from activities.analyze.analysis_input import grid_timing
from activities.dependencies import Dependencies, LoopDependencies
from activities.execute.activity import load_step_state
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
from activities.singleflight import SingleFlight

MAX_CONCURRENT_READINGS = 2
"""Readings at a time. They keep the processor busy: a hundred together would hold up Monitor, and have the time."""


class VerifyActivities:
    """Judges effects by samples taken after them."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies
        self.readings = SingleFlight[AnalysisInput](MAX_CONCURRENT_READINGS)

    @activity.defn(name="verify")
    async def verify(self, request: VerifyRequest) -> VerifyResult:
        """Wait until the question is answered, or all samples are in, and return the verdict with its consequence.

        No state is kept between polls: each reads the range data since the change again, so that another worker can
        go on in the middle.
        """
        async with background_heartbeat():
            plan = await self.dependencies.store.plans.get(request.plan_id)
            steps = await load_step_state(self.dependencies.store, plan)
            if steps.outcome and not request.rollback:
                return VerifyResult.already_concluded(f"it has ended before: {steps.outcome}")
            if steps.undo_started and not request.rollback:
                return VerifyResult.not_performed("it was being rolled back before")
            loop, rule = self.dependencies.loop(plan.loop), plan.verification
            now = self.dependencies.clock()
            if not sample_instants(rule, request.since, now):
                # Before the first sample is due there is nothing to read.
                await asyncio.sleep((next_sample_at(rule, request.since, now) or now) - now)
            while True:
                now = self.dependencies.clock()
                source = await self.load_reading(loop, now)
                sent = change_sent_at(steps.sent_at, request.since, source.grid[0])
                rule = with_measured_baseline(
                    plan.verification, build_samples(source, baseline_instants(plan.verification, sent))
                )
                judged = plan.model_copy(update={"verification": rule})
                if request.rollback:
                    rule = with_rollback_tolerance(rule, build_samples(source, (request.since,)))
                samples = build_samples(source, sample_instants(rule, request.since, now))
                following = next_sample_at(rule, request.since, now)
                if following is None or is_conclusive(rule, samples, request.rollback):
                    break
                await asyncio.sleep(following - now)
            if request.rollback:
                return verify_rollback(judged, samples, rule)
            return verify_effect(judged, samples, loop.settings.execute.rollback_enabled)

    async def load_reading(self, loop: LoopDependencies, at: float) -> AnalysisInput:
        """Return the range data up to `at` (unix seconds) or later; verifications on one grid share it."""
        end = grid_timing(at, loop.settings.monitor, loop.settings.analyze).instants[-1]
        # As of its turn, which may come seconds later: what is asked about has to be the present by then.
        return await self.readings.run(
            (loop.settings.name, end), lambda: collect_analysis_input(loop, self.dependencies.clock())
        )
