"""The Temporal side of Analyze: store the recent past and diagnose it."""

from temporalio import activity

from activities.analyze.diagnose import diagnose
from activities.analyze.learning.pattern_learning import MAX_OUTCOMES, fit_curves, label_patterns
from activities.clients.store.snapshots import SnapshotKind
from activities.dependencies import Dependencies
from activities.model.cycle import AnalyzeRequest, CycleOutcome, DiagnosisSummary
from activities.model.diagnosis import Diagnosis
from activities.model.errors import StoreUnavailable
from activities.model.observation import MAX_SHOWN_ENTRIES
from activities.model.pattern import CalibrationCurve
from activities.model.types import truncate
from activities.monitor.visibility import REMOTES
from activities.readings.analysis_input import collect_analysis_input
from activities.settings import LoopSettings

MAX_SHOWN_PATTERNS = 4
MAX_SHOWN_CAUSES = 3


class AnalyzeActivities:
    """Diagnoses one loop."""

    def __init__(self, dependencies: Dependencies) -> None:
        self.dependencies = dependencies

    @activity.defn(name="analyze")
    async def analyze(self, request: AnalyzeRequest) -> DiagnosisSummary:
        """Return the diagnosis at `request.at`; the series go to the store, never into history."""
        loop = self.dependencies.loop(request.loop)
        analysis_input = (await collect_analysis_input(loop, request.at)).model_copy(
            update={"calibration_curves": await self.load_curves(loop.settings)}
        )
        diagnosis = diagnose(analysis_input, loop.settings.analyze)
        try:
            digest = await self.dependencies.store.snapshots.put(
                analysis_input, SnapshotKind.ANALYSIS, self.dependencies.clock()
            )
        except StoreUnavailable as error:
            return summarize(
                diagnosis, outcome=CycleOutcome.BLOCKED, headline=f"blocked: store: {error}; {diagnosis.headline}"
            )
        return summarize(diagnosis.model_copy(update={"digest": digest}), outcome=terminal_outcome(diagnosis))

    async def load_curves(self, settings: LoopSettings) -> tuple[CalibrationCurve, ...]:
        """Return the loop's calibration curves; none, and so the priors, while the outcomes cannot be read."""
        if not settings.knowledge.pattern_learning_enabled:
            return ()
        try:
            outcomes = await self.dependencies.store.outcomes.load_recent(settings.name, MAX_OUTCOMES)
        except StoreUnavailable:
            return ()
        return fit_curves(tuple(label_patterns(outcomes)), settings.analyze.algorithms)


def terminal_outcome(diagnosis: Diagnosis) -> str:
    """Return the outcome of a cycle without anything to plan, else an empty text."""
    if any(spot.component in REMOTES for spot in diagnosis.blind):
        return CycleOutcome.BLIND
    if diagnosis.violations:
        return ""
    return CycleOutcome.BLIND if diagnosis.blind else CycleOutcome.HEALTHY


def summarize(diagnosis: Diagnosis, outcome: str, headline: str = "") -> DiagnosisSummary:
    """Return the part of the diagnosis that goes into history."""
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
