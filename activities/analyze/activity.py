"""The Temporal side of Analyze: the recent past, stored, and what is behind it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain

from temporalio import activity

from activities.analyze.diagnose import diagnose
from activities.analyze.grid import RangeReading, input_of, timing_of
from activities.analyze.learning.pattern_learning import REMEMBERED, curves, lessons
from activities.dependencies import LoopParts, Parts
from activities.model.blindspot import BlindSpot
from activities.model.cycle import AnalyzeRequest, DiagnosisBrief
from activities.model.diagnosis import Diagnosis
from activities.model.errors import StoreUnavailable
from activities.model.observation import SHOWN
from activities.model.pattern import Curve
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import SampleSeries
from activities.model.types import clipped
from activities.monitor.activity import seen
from activities.monitor.adaptive_limits import believed
from activities.monitor.queries import coverage_detail_queries, values_queries
from activities.monitor.rules import rules_of
from activities.monitor.visibility import CHARTER, PROMETHEUS, REMOTES
from activities.settings import LoopSettings

PATTERNS_SHOWN = 4
CAUSES_SHOWN = 3

Looking = Callable[[], Awaitable[AnalysisInput]]


class AnalyzeActivities:
    """Diagnoses one loop."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    @activity.defn(name="analyze")
    async def analyze(self, request: AnalyzeRequest) -> DiagnosisBrief:
        """Return what is behind the trouble at `request.at`; the series go to the store, never into history."""
        loop = self.parts.loop(request.loop)
        source = (await gather(loop, request.at)).model_copy(update={"curves": await self.learned(loop.settings)})
        diagnosis = diagnose(source, loop.settings.analyze)
        try:
            digest = await self.parts.store.snapshots.put(source, "analysis", self.parts.clock())
        except StoreUnavailable as error:
            return brief(diagnosis, outcome="blocked", headline=f"blocked: store: {error}; {diagnosis.headline}")
        return brief(diagnosis.model_copy(update={"digest": digest}), outcome=ending(diagnosis))

    async def learned(self, settings: LoopSettings) -> tuple[Curve, ...]:
        """Return what the loop's outcomes say of patterns; nothing, so the constants, while they cannot be read."""
        if not settings.knowledge.pattern_learning_enabled:
            return ()
        try:
            outcomes = await self.parts.store.outcomes.recent(settings.name, REMEMBERED)
        except StoreUnavailable:
            return ()
        return curves(tuple(lessons(outcomes)), settings.analyze.algorithms)


async def over(
    loop: LoopParts, queries: tuple[str, ...], span: tuple[float, float, float], within: float | None = None
) -> tuple[SampleSeries, ...]:
    """Return the answers to all queries over the span (first and last instant, step); `within` as Prometheus's."""
    answers = await asyncio.gather(*(loop.prometheus.query_range(query, *span, within) for query in queries))
    return tuple(chain.from_iterable(answers))


async def gather(loop: LoopParts, at: float) -> AnalysisInput:
    """Return the range data of all rules up to `at` (unix seconds), with Charter's own state.

    `at` has to be the present, give or take what is not believed anyway: Charter's state always is.
    """
    settings = loop.settings
    rules = rules_of(settings.monitor)
    timing = timing_of(at, settings.monitor, settings.analyze)
    limits = believed(await loop.limits.newest(), at) if loop.limits is not None else None
    # The grid ends up to a step before `at`, and an answer takes up to the time-out.
    present = timing.max_age + timing.step + settings.monitor.timeout_seconds
    span = (timing.instants[0], timing.instants[-1], timing.step)
    size = settings.most_components
    blind: list[BlindSpot] = []
    values, freshness, findings, committee, policies = await asyncio.gather(
        seen(
            over(loop, values_queries(rules, settings.monitor.rate_window, size), span, present),
            PROMETHEUS,
            "values",
            blind,
        ),
        seen(
            over(loop, coverage_detail_queries(rules, timing.max_age, size), span, present),
            PROMETHEUS,
            "freshness",
            blind,
        ),
        seen(loop.charter.violations(timing.instants[0]), CHARTER, "violations", blind),
        seen(loop.charter.committee(), CHARTER, "committee/state", blind),
        seen(loop.charter.policies(everything=True), CHARTER, "policies", blind),
    )
    reading = RangeReading(
        values=values or (),
        freshness=freshness or (),
        findings=findings or (),
        committee=committee,
        policies=policies or (),
        blind=tuple(blind),
        limits=limits,
    )
    return input_of(reading, timing, rules, settings.components, settings.topology)


def looking(loop: LoopParts, clock: Callable[[], float]) -> Looking:
    """Return what gathers when it is first asked, and then has it: whoever waits for silent remotes waits once."""
    had: list[AnalysisInput] = []

    async def look() -> AnalysisInput:
        if not had:
            had.append(await gather(loop, clock()))
        return had[0]

    return look


def ending(diagnosis: Diagnosis) -> str:
    """Return how the cycle ends if there is nothing to plan for, else an empty text."""
    if any(spot.component in REMOTES for spot in diagnosis.blind):
        return "blind"
    if diagnosis.violations:
        return ""
    return "blind" if diagnosis.blind else "healthy"


def brief(diagnosis: Diagnosis, outcome: str, headline: str = "") -> DiagnosisBrief:
    """Return what of the diagnosis goes into history."""
    return DiagnosisBrief(
        headline=clipped(headline or diagnosis.headline),
        at=diagnosis.at,
        outcome=outcome,
        digest=diagnosis.digest,
        confidence=round(diagnosis.confidence, 4),
        patterns=tuple(
            clipped(f"{p.kind} {p.confidence:.2f}: {p.evidence.text}", 120) for p in diagnosis.patterns[:PATTERNS_SHOWN]
        ),
        root_causes=tuple(
            clipped(f"{c.cause} on {c.component} {c.confidence:.2f}", 120) for c in diagnosis.root_causes[:CAUSES_SHOWN]
        ),
        violations=tuple(clipped(v.text, 100) for v in diagnosis.violations[:SHOWN]),
        blind=tuple(clipped(b.text, 100) for b in diagnosis.blind[:SHOWN]),
    )
