"""The Temporal side of Analyze: the recent past, stored, and what is behind it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain

from temporalio import activity

from activities.analyze.analysis_input import RangeReading, build_analysis_input, grid_timing
from activities.analyze.diagnose import diagnose
from activities.analyze.learning.pattern_learning import MAX_OUTCOMES, fit_curves, label_patterns
from activities.dependencies import Dependencies, LoopDependencies
from activities.model.blindspot import BlindSpot
from activities.model.cycle import AnalyzeRequest, DiagnosisSummary
from activities.model.diagnosis import Diagnosis
from activities.model.errors import StoreUnavailable
from activities.model.observation import MAX_SHOWN_ENTRIES
from activities.model.pattern import CalibrationCurve
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import SampleSeries
from activities.model.types import truncate
from activities.monitor.activity import fetch_or_blind
from activities.monitor.adaptive_limits import keep_if_fresh
from activities.monitor.queries import coverage_detail_queries, values_queries
from activities.monitor.rules import build_rules
from activities.monitor.visibility import CHARTER, PROMETHEUS, REMOTES
from activities.settings import LoopSettings

MAX_SHOWN_PATTERNS = 4
MAX_SHOWN_CAUSES = 3

InputLoader = Callable[[], Awaitable[AnalysisInput]]


class AnalyzeActivities:
    """Diagnoses one loop."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    @activity.defn(name="analyze")
    async def analyze(self, request: AnalyzeRequest) -> DiagnosisSummary:
        """Return what is behind the trouble at `request.at`; the series go to the store, never into history."""
        loop = self.dependencies.loop(request.loop)
        source = (await collect_analysis_input(loop, request.at)).model_copy(
            update={"calibration_curves": await self.load_curves(loop.settings)}
        )
        diagnosis = diagnose(source, loop.settings.analyze)
        try:
            digest = await self.dependencies.store.snapshots.put(source, "analysis", self.dependencies.clock())
        except StoreUnavailable as error:
            return summarize(diagnosis, outcome="blocked", headline=f"blocked: store: {error}; {diagnosis.headline}")
        return summarize(diagnosis.model_copy(update={"digest": digest}), outcome=terminal_outcome(diagnosis))

    async def load_curves(self, settings: LoopSettings) -> tuple[CalibrationCurve, ...]:
        """Return what the loop's outcomes say of patterns; nothing, so the constants, while they cannot be read."""
        if not settings.knowledge.pattern_learning_enabled:
            return ()
        try:
            outcomes = await self.dependencies.store.outcomes.load_recent(settings.name, MAX_OUTCOMES)
        except StoreUnavailable:
            return ()
        return fit_curves(tuple(label_patterns(outcomes)), settings.analyze.algorithms)


async def query_all_ranges(
    loop: LoopDependencies, queries: tuple[str, ...], span: tuple[float, float, float], max_skew: float | None = None
) -> tuple[SampleSeries, ...]:
    """Return the answers to all queries over the span (first and last instant, step); `within` as Prometheus's."""
    answers = await asyncio.gather(*(loop.prometheus.query_range(query, *span, max_skew) for query in queries))
    return tuple(chain.from_iterable(answers))


async def collect_analysis_input(loop: LoopDependencies, at: float) -> AnalysisInput:
    """Return the range data of all rules up to `at` (unix seconds), with Charter's own state.

    `at` has to be the present, give or take what is not believed anyway: Charter's state always is.
    """
    settings = loop.settings
    rules = build_rules(settings.monitor)
    timing = grid_timing(at, settings.monitor, settings.analyze)
    limits = keep_if_fresh(await loop.limits.load_newest(), at) if loop.limits is not None else None
    # The grid ends up to a step before `at`, and an answer takes up to the time-out.
    present = timing.max_age + timing.step + settings.monitor.timeout_seconds
    span = (timing.instants[0], timing.instants[-1], timing.step)
    size = settings.max_components
    blind: list[BlindSpot] = []
    values, freshness, findings, committee, policies = await asyncio.gather(
        fetch_or_blind(
            query_all_ranges(loop, values_queries(rules, settings.monitor.rate_window, size), span, present),
            PROMETHEUS,
            "values",
            blind,
        ),
        fetch_or_blind(
            query_all_ranges(loop, coverage_detail_queries(rules, timing.max_age, size), span, present),
            PROMETHEUS,
            "freshness",
            blind,
        ),
        fetch_or_blind(loop.charter.fetch_violations(timing.instants[0]), CHARTER, "violations", blind),
        fetch_or_blind(loop.charter.fetch_committee(), CHARTER, "committee/state", blind),
        fetch_or_blind(loop.charter.fetch_policies(include_inactive=True), CHARTER, "policies", blind),
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
    return build_analysis_input(reading, timing, rules, settings.components, settings.topology)


def make_input_loader(loop: LoopDependencies, clock: Callable[[], float]) -> InputLoader:
    """Return what gathers when it is first asked, and then has it: whoever waits for silent remotes waits once."""
    had: list[AnalysisInput] = []

    async def look() -> AnalysisInput:
        if not had:
            had.append(await collect_analysis_input(loop, clock()))
        return had[0]

    return look


def terminal_outcome(diagnosis: Diagnosis) -> str:
    """Return how the cycle ends if there is nothing to plan for, else an empty text."""
    if any(spot.component in REMOTES for spot in diagnosis.blind):
        return "blind"
    if diagnosis.violations:
        return ""
    return "blind" if diagnosis.blind else "healthy"


def summarize(diagnosis: Diagnosis, outcome: str, headline: str = "") -> DiagnosisSummary:
    """Return what of the diagnosis goes into history."""
    return DiagnosisSummary(
        headline=truncate(headline or diagnosis.headline),
        at=diagnosis.at,
        outcome=outcome,
        digest=diagnosis.digest,
        confidence=round(diagnosis.confidence, 4),
        patterns=tuple(
            truncate(f"{p.kind} {p.confidence:.2f}: {p.evidence.summary}", 120)
            for p in diagnosis.patterns[:MAX_SHOWN_PATTERNS]
        ),
        root_causes=tuple(
            truncate(f"{c.cause} on {c.component} {c.confidence:.2f}", 120)
            for c in diagnosis.root_causes[:MAX_SHOWN_CAUSES]
        ),
        violations=tuple(truncate(v.summary, 100) for v in diagnosis.violations[:MAX_SHOWN_ENTRIES]),
        blind=tuple(truncate(b.summary, 100) for b in diagnosis.blind[:MAX_SHOWN_ENTRIES]),
    )
