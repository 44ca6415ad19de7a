"""The diagnosis of one analysis input, as one pure function."""

from collections.abc import Sequence
from statistics import fmean

from activities.analyze.causes.cause_rules import find_root_causes
from activities.analyze.causes.hypotheses import DiagnosisCase
from activities.analyze.causes.symptoms import expand_committee
from activities.analyze.deviation.diagnosis import calibration_features, deviation_causes, deviation_patterns
from activities.analyze.deviation.ranking import rank_suspects
from activities.analyze.learning.pattern_learning import apply_curve
from activities.analyze.patterns.causal import find_causal_patterns
from activities.analyze.patterns.counting import (
    TimeWindow,
    find_frequency_patterns,
    find_temporal_patterns,
    group_by_component,
    latest_window,
    violation_samples,
)
from activities.analyze.patterns.predictive import find_predictive_patterns
from activities.analyze.patterns.spatial import find_spatial_patterns
from activities.analyze.settings import AnalyzeSettings
from activities.model.diagnosis import Cause, Diagnosis, RootCause
from activities.model.pattern import Pattern
from activities.model.snapshot import AnalysisInput
from activities.model.topology import Topology
from activities.monitor.charter_findings import member_names
from activities.monitor.judgement import Judgement, judge
from activities.monitor.visibility import REMOTES


def diagnose(analysis_input: AnalysisInput, settings: AnalyzeSettings) -> Diagnosis:
    """Return patterns, ranked root causes and overall confidence; the caller adds the `digest`.

    Without a violation at the last instant there is no cause. While Prometheus or Charter cannot be read, or
    contradicts itself, no cause is named: the loop must not act on incomplete data.
    """
    judgement = judge(analysis_input)
    members = _visible_members(analysis_input, judgement)
    topology = expand_committee(analysis_input.topology, members)
    ranking = rank_suspects(judgement, topology)
    prior_patterns = _find_patterns(judgement, topology, settings)
    patterns = tuple(
        apply_curve(pattern, settings.algorithms, analysis_input.calibration_curves) for pattern in prior_patterns
    )
    is_remote_blind = any(spot.component in REMOTES for spot in judgement.blind)
    window = latest_window(judgement, settings.algorithms.temporal.window)
    causes = () if is_remote_blind else find_root_causes(_build_case(judgement, topology, patterns, members, window))
    # From the priors: calibration may lower the confidence of a cause, so that a plan requires approval. It must not
    # lower the overall confidence: the loop would then plan nothing.
    confidence = overall_confidence(
        prior_patterns, _count_violations(judgement, prior_patterns), settings.sample_size_saturation
    )
    if ranking is not None:
        min_components = settings.algorithms.spatial.min_components
        patterns = (*patterns, *deviation_patterns(judgement, ranking, settings.calibration, min_components))
        confidence = max(confidence, settings.calibration.probability(calibration_features(ranking)))
        if not is_remote_blind and not any(cause.cause is not Cause.UNKNOWN for cause in causes):
            causes = deviation_causes(judgement, ranking, settings.calibration) or causes
    if not is_remote_blind:
        rules = {rule.metric: rule for rule in analysis_input.rules}
        patterns = (*patterns, *find_predictive_patterns(judgement, rules))
    patterns = tuple(sorted(patterns, key=lambda pattern: -pattern.confidence))[: settings.pattern_history_limit]
    return Diagnosis(
        headline=_format_headline(judgement, causes, is_remote_blind),
        at=judgement.at,
        confidence=round(confidence, 4),
        patterns=patterns,
        root_causes=causes,
        violations=judgement.violations,
        blind=judgement.blind,
    )


def overall_confidence(patterns: Sequence[Pattern], violation_count: int, saturation: int) -> float:
    """Return 0.7 × mean(pattern confidences) + 0.3 × min(1, violation_count ÷ saturation), 0 without a pattern.

    `violation_count` counts the distinct violations behind the patterns.
    """
    if not patterns:
        return 0.0
    return 0.7 * fmean(pattern.confidence for pattern in patterns) + 0.3 * min(1.0, violation_count / saturation)


def _find_patterns(judgement: Judgement, topology: Topology, settings: AnalyzeSettings) -> tuple[Pattern, ...]:
    algorithms = settings.algorithms
    return (
        *find_temporal_patterns(judgement, algorithms.temporal),
        *find_spatial_patterns(judgement, algorithms.spatial),
        *find_causal_patterns(judgement, topology, algorithms.causal),
        *find_frequency_patterns(judgement, algorithms.frequency),
    )


def _count_violations(judgement: Judgement, patterns: tuple[Pattern, ...]) -> int:
    """Return the number of distinct violation samples behind the patterns."""
    windows = {TimeWindow(pattern.evidence.start, pattern.evidence.end) for pattern in patterns}
    samples_by_window = {window: violation_samples(judgement, window) for window in windows}
    return len(
        {
            sample[:3]
            for pattern in patterns
            for sample in samples_by_window[TimeWindow(pattern.evidence.start, pattern.evidence.end)]
            if sample.component in pattern.components and sample.metric in pattern.metrics
        }
    )


def _visible_members(analysis_input: AnalysisInput, judgement: Judgement) -> tuple[str, ...]:
    """Return the visible members; if Charter does not name them, the components outside the topology."""
    blind = {spot.component for spot in judgement.blind}
    services = {name for edge in analysis_input.topology.edges for name in edge}
    names = member_names(analysis_input.committee) or {track.component for track in judgement.tracks} - services
    return tuple(sorted(set(names) - blind))


def _build_case(
    judgement: Judgement,
    topology: Topology,
    patterns: tuple[Pattern, ...],
    members: tuple[str, ...],
    window: TimeWindow,
) -> DiagnosisCase:
    violated = {violation.component for violation in judgement.violations}
    recent = group_by_component(violation_samples(judgement, window))
    return DiagnosisCase(
        violations=judgement.violations,
        symptoms={
            name: frozenset(sample.metric for sample in samples) for name, samples in recent.items() if name in violated
        },
        patterns=patterns,
        members=members,
        topology=topology,
    )


def _format_headline(judgement: Judgement, causes: tuple[RootCause, ...], is_remote_blind: bool) -> str:
    if judgement.blind and (is_remote_blind or not judgement.violations):
        return f"blind: {judgement.blind[0].summary}"
    if not judgement.violations:
        has_ended = any(any(track.violated_at) for track in judgement.tracks)
        return "ended: no violation any more" if has_ended else "healthy: no violation"
    return "; ".join(f"{c.cause} on {c.component} {c.confidence:.2f}: {c.reason}" for c in causes)
