"""Decide again: the functions of a cycle, on its recorded input."""

from activities.analyze.diagnose import diagnose
from activities.model.autonomy import Autonomy
from activities.model.decision import Decision
from activities.model.plan import Verification
from activities.model.snapshot import AnalysisInput, Snapshot, compute_digest
from activities.plan.choose import choose
from activities.plan.context import PlanContext
from activities.settings import LoopSettings


def decide(snapshot: Snapshot, analysis: AnalysisInput, settings: LoopSettings) -> Decision:
    """Return the decision for a recorded input: the same input always has the same decision.

    `analysis` is the input stored under `snapshot.analysis`. Plans carry the digest of the snapshot. The settings are
    an argument and not read from the snapshot, so that other settings can be tried on the same past.
    """
    diagnosis = diagnose(analysis, settings.analyze).model_copy(update={"digest": snapshot.analysis})
    return choose(
        PlanContext(
            loop=snapshot.loop,
            charter=snapshot.charter,
            cycle_id=snapshot.cycle_id,
            at=snapshot.at,
            diagnosis=diagnosis,
            analysis=analysis,
            experience=snapshot.experience,
            guards=snapshot.guards,
            mode=snapshot.mode,
            settings=settings.plan,
            knowledge=settings.knowledge,
            verification=verification_timings(settings),
            autonomy=snapshot.autonomy or Autonomy(start=settings.initial_level),
            snapshot=compute_digest(snapshot),
            silenced=snapshot.silenced,
            error_budget=snapshot.error_budget,
            seed=snapshot.seed,
        )
    )


def verification_timings(settings: LoopSettings) -> Verification:
    """Return the timings of every verification, without targets.

    A verification never starts before one scrape after the apply: an earlier sample cannot show the effect.
    """
    verify = settings.execute.verify
    return Verification(
        targets=(),
        delay=max(verify.delay, settings.monitor.scrape_interval),
        interval=verify.interval,
        samples=verify.samples,
        required_passes=verify.passes,
    )
