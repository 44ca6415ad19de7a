"""Analyze as one pure function."""

from activities.analyze.causes.cause_rules import root_causes
from activities.analyze.causes.ranked import Case
from activities.analyze.causes.symptoms import expanded
from activities.analyze.confidence import overall
from activities.analyze.deviation.patterns import departed, departures, evidence_of
from activities.analyze.deviation.ranking import trouble_of
from activities.analyze.learning.pattern_learning import weighed
from activities.analyze.patterns.causal import causal
from activities.analyze.patterns.counting import Window, by_component, hits, latest
from activities.analyze.patterns.frequency import frequency
from activities.analyze.patterns.spatial import spatial
from activities.analyze.patterns.temporal import temporal
from activities.analyze.patterns.trend import trends
from activities.analyze.settings import AnalyzeSettings
from activities.model.diagnosis import Cause, Diagnosis, RootCause
from activities.model.pattern import Pattern
from activities.model.snapshot import AnalysisInput
from activities.model.topology import Topology
from activities.monitor.charter_findings import member_names
from activities.monitor.judgement import Judged, judge
from activities.monitor.visibility import REMOTES


def diagnose(source: AnalysisInput, settings: AnalyzeSettings) -> Diagnosis:
    """Return patterns, ranked root causes and overall confidence; `digest` is left to the caller.

    Without a violation at the last instant there is no cause, whatever was before. While Prometheus or Charter as a
    whole cannot be read, or contradicts itself, no cause is named: nothing may act upon half a picture.
    """
    judged = judge(source)
    members = _members(source, judged)
    topology = expanded(source.topology, members)
    trouble = trouble_of(judged, topology)
    found = _patterns(judged, topology, settings)
    counted = tuple(weighed(pattern, settings.algorithms, source.curves) for pattern in found)
    remote = any(spot.component in REMOTES for spot in judged.blind)
    lately = latest(judged, settings.algorithms.temporal.window)
    causes = () if remote else root_causes(_case(judged, topology, counted, members, lately))
    # By the constants: what was learned weighs on the causes, and asks a person instead of silencing the loop.
    sure = overall(found, _counted(judged, found), settings.sample_size_saturation)
    patterns = counted
    if trouble is not None:
        patterns = (
            *counted,
            *departures(judged, trouble, settings.calibration, settings.algorithms.spatial.min_components),
        )
        sure = max(sure, settings.calibration.probability(evidence_of(trouble)))
        if not remote and not any(cause.cause is not Cause.UNKNOWN for cause in causes):
            causes = departed(judged, trouble, settings.calibration) or causes
    if not remote:
        patterns = (*patterns, *trends(judged, {rule.metric: rule for rule in source.rules}))
    patterns = tuple(sorted(patterns, key=lambda pattern: -pattern.confidence))[: settings.pattern_history_limit]
    return Diagnosis(
        headline=_headline(judged, causes, remote),
        at=judged.at,
        confidence=round(sure, 4),
        patterns=patterns,
        root_causes=causes,
        violations=judged.violations,
        blind=judged.blind,
        outlooks=source.outlooks,
    )


def _patterns(judged: Judged, topology: Topology, settings: AnalyzeSettings) -> tuple[Pattern, ...]:
    algorithms = settings.algorithms
    return (
        *temporal(judged, algorithms.temporal),
        *spatial(judged, algorithms.spatial),
        *causal(judged, topology, algorithms.causal),
        *frequency(judged, algorithms.frequency),
    )


def _counted(judged: Judged, patterns: tuple[Pattern, ...]) -> int:
    """Return how many distinct counted violations the patterns rest on."""
    windows = {Window(pattern.evidence.start, pattern.evidence.end) for pattern in patterns}
    within = {window: hits(judged, window) for window in windows}
    return len(
        {
            hit[:3]
            for pattern in patterns
            for hit in within[Window(pattern.evidence.start, pattern.evidence.end)]
            if hit.component in pattern.components and hit.metric in pattern.metrics
        }
    )


def _members(source: AnalysisInput, judged: Judged) -> tuple[str, ...]:
    """Return the visible members; where Charter does not name them, every component the topology does not name."""
    blind = {spot.component for spot in judged.blind}
    services = {name for edge in source.topology.edges for name in edge}
    names = member_names(source.committee) or {track.component for track in judged.tracks} - services
    return tuple(sorted(set(names) - blind))


def _case(
    judged: Judged, topology: Topology, patterns: tuple[Pattern, ...], members: tuple[str, ...], lately: Window
) -> Case:
    violated = {violation.component for violation in judged.violations}
    recent = by_component(hits(judged, lately))
    return Case(
        violations=judged.violations,
        symptoms={name: frozenset(hit.metric for hit in found) for name, found in recent.items() if name in violated},
        patterns=patterns,
        members=members,
        topology=topology,
    )


def _headline(judged: Judged, causes: tuple[RootCause, ...], remote: bool) -> str:
    if judged.blind and (remote or not judged.violations):
        return f"blind: {judged.blind[0].text}"
    if not judged.violations:
        ended = any(any(track.counted) for track in judged.tracks)
        return "ended: what was violated is good again" if ended else "healthy: no violation"
    return "; ".join(f"{c.cause} on {c.component} {c.confidence:.2f}: {c.why}" for c in causes)
