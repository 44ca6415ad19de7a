"""The Temporal side of verifying, on its own queue."""

import asyncio

from temporalio import activity

from activities.analyze.activity import gather
from activities.analyze.grid import timing_of
from activities.dependencies import LoopParts, Parts
from activities.execute.activity import steps_known
from activities.execute.verify.sampling import samples_of
from activities.execute.verify.verification import (
    baseline_instants,
    grounded,
    instants,
    next_instant,
    sending,
    settled,
    tolerated,
    verified,
    verified_undo,
)
from activities.heartbeat import heartbeating
from activities.model.remediation import Verified, VerifyRequest
from activities.model.snapshot import AnalysisInput
from activities.singleflight import Sharing

AT_ONCE = 2
"""Readings at a time. They keep the processor busy: a hundred together would hold up Monitor, and have the time."""


class VerifyActivities:
    """Judges effects by samples taken after them."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.readings = Sharing[AnalysisInput](AT_ONCE)

    @activity.defn(name="verify")
    async def verify(self, request: VerifyRequest) -> Verified:
        """Wait until the question is answered, or all samples are in, and return the verdict with its consequence.

        No state is kept between polls: each reads the range data since the change again, so that another worker can
        go on in the middle.
        """
        async with heartbeating():
            plan = await self.parts.store.plans.get(request.plan_id)
            steps = await steps_known(self.parts.store, plan)
            if steps.ended and not request.rollback:
                return Verified.answered(f"it has ended before: {steps.ended}")
            if steps.taken_back and not request.rollback:
                return Verified.unmade("it was being rolled back before")
            loop, rule = self.parts.loop(plan.loop), plan.verification
            now = self.parts.clock()
            if not instants(rule, request.since, now):
                # Before the first sample is due there is nothing to read.
                await asyncio.sleep((next_instant(rule, request.since, now) or now) - now)
            while True:
                now = self.parts.clock()
                source = await self.reading(loop, now)
                sent = sending(steps.sent_at, request.since, source.grid[0])
                rule = grounded(plan.verification, samples_of(source, baseline_instants(plan.verification, sent)))
                judged = plan.model_copy(update={"verification": rule})
                if request.rollback:
                    rule = tolerated(rule, samples_of(source, (request.since,)))
                samples = samples_of(source, instants(rule, request.since, now))
                following = next_instant(rule, request.since, now)
                if following is None or settled(rule, samples, request.rollback):
                    break
                await asyncio.sleep(following - now)
            if request.rollback:
                return verified_undo(judged, samples, rule)
            return verified(judged, samples, loop.settings.execute.rollback_enabled)

    async def reading(self, loop: LoopParts, at: float) -> AnalysisInput:
        """Return the range data up to `at` (unix seconds) or later; verifications on one grid share it."""
        end = timing_of(at, loop.settings.monitor, loop.settings.analyze).instants[-1]
        # As of its turn, which may come seconds later: what is asked about has to be the present by then.
        return await self.readings.of((loop.settings.name, end), lambda: gather(loop, self.parts.clock()))
