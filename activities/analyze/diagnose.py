"""Analyze as one pure function."""

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
    """Return patterns, ranked root causes and overall confidence; `digest` is left to the caller.

    Without a violation at the last instant there is no cause, whatever was before. While Prometheus or Charter as a
    whole cannot be read, or contradicts itself, no cause is named: nothing may act upon half a picture.
    """
    judged = judge(analysis_input)
    members = _visible_members(analysis_input, judged)
    topology = expand_committee(analysis_input.topology, members)
    trouble = rank_suspects(judged, topology)
    found = _find_patterns(judged, topology, settings)
    counted = tuple(apply_curve(pattern, settings.algorithms, analysis_input.calibration_curves) for pattern in found)
    remote = any(spot.component in REMOTES for spot in judged.blind)
    lately = latest_window(judged, settings.algorithms.temporal.window)
    causes = () if remote else find_root_causes(_build_case(judged, topology, counted, members, lately))
    # By the constants: what was learned weighs on the causes, and asks a person instead of silencing the loop.
    sure = overall_confidence(found, _count_violations(judged, found), settings.sample_size_saturation)
    patterns = counted
    if trouble is not None:
        patterns = (
            *counted,
            *deviation_patterns(judged, trouble, settings.calibration, settings.algorithms.spatial.min_components),
        )
        sure = max(sure, settings.calibration.probability(calibration_features(trouble)))
        if not remote and not any(cause.cause is not Cause.UNKNOWN for cause in causes):
            causes = deviation_causes(judged, trouble, settings.calibration) or causes
    if not remote:
        patterns = (*patterns, *find_predictive_patterns(judged, {rule.metric: rule for rule in analysis_input.rules}))
    patterns = tuple(sorted(patterns, key=lambda pattern: -pattern.confidence))[: settings.pattern_history_limit]
    return Diagnosis(
        headline=_format_headline(judged, causes, remote),
        at=judged.at,
        confidence=round(sure, 4),
        patterns=patterns,
        root_causes=causes,
        violations=judged.violations,
        blind=judged.blind,
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
    """Return how many distinct counted violations the patterns rest on."""
    windows = {TimeWindow(pattern.evidence.start, pattern.evidence.end) for pattern in patterns}
    within = {window: violation_samples(judgement, window) for window in windows}
    return len(
        {
            hit[:3]
            for pattern in patterns
            for hit in within[TimeWindow(pattern.evidence.start, pattern.evidence.end)]
            if hit.component in pattern.components and hit.metric in pattern.metrics
        }
    )


def _visible_members(analysis_input: AnalysisInput, judgement: Judgement) -> tuple[str, ...]:
    """Return the visible members; where Charter does not name them, every component the topology does not name."""
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
        symptoms={name: frozenset(hit.metric for hit in found) for name, found in recent.items() if name in violated},
        patterns=patterns,
        members=members,
        topology=topology,
    )


def _format_headline(judgement: Judgement, causes: tuple[RootCause, ...], is_remote_blind: bool) -> str:
    if judgement.blind and (is_remote_blind or not judgement.violations):
        return f"blind: {judgement.blind[0].summary}"
    if not judgement.violations:
        ended = any(any(track.violated_at) for track in judgement.tracks)
        return "ended: what was violated is good again" if ended else "healthy: no violation"
    return "; ".join(f"{c.cause} on {c.component} {c.confidence:.2f}: {c.reason}" for c in causes)
