"""Patterns and root causes of components that deviate from their baseline.

All patterns of one ranking have the same confidence: the probability of a fault behind the deviations.
"""

import math

from activities.analyze.deviation.ranking import Suspect, SuspectRanking
from activities.analyze.deviation.strength import STRONG_THRESHOLD, required_samples
from activities.analyze.learning.calibration import Calibration
from activities.analyze.patterns.counting import TimeWindow, ViolationSample, build_pattern
from activities.model.diagnosis import Cause, RootCause
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.call_edges import parse_call_edge
from activities.monitor.judgement import Judgement

_MAX_COUNTED_COMPONENTS = 5
"""Linked components above which one more is no further evidence."""


def calibration_features(ranking: SuspectRanking) -> tuple[float, float, float]:
    """Return log(strength ÷ `STRONG_THRESHOLD`), the samples held after the first, and log(group size)."""
    root = ranking.root.deviation
    log_strength = math.log(max(root.strength, 1e-6) / STRONG_THRESHOLD)
    return (
        log_strength,
        float(max(0, root.samples_held - 1)),
        math.log(min(_MAX_COUNTED_COMPONENTS, len(ranking.group))),
    )


def deviation_patterns(
    judgement: Judgement, ranking: SuspectRanking, calibration: Calibration, min_components: int
) -> tuple[Pattern, ...]:
    """Return the patterns of the ranked suspects.

    Frequency: the root deviates for several samples. Causal: its callers deviate too. Spatial: at least
    `min_components` linked components deviate.
    """
    features, root = calibration_features(ranking), ranking.root
    probability = calibration.probability(features)
    kinds: list[tuple[PatternKind, tuple[str, ...], str]] = [
        (PatternKind.FREQUENCY, (root.component,), _describe_suspect(root))
    ]
    if root.affected_callers:
        callers = ", ".join(root.affected_callers)
        summary = f"{root.component} deviates, no callee explains it, and its callers {callers} deviate too"
        kinds.append((PatternKind.CAUSAL, tuple(sorted({root.component, *root.affected_callers})), summary))
    if len(ranking.group) >= min_components:
        summary = f"{len(ranking.group)} ≥ {min_components} components linked by calls deviate together"
        kinds.append((PatternKind.SPATIAL, ranking.group, summary))
    window = TimeWindow(judgement.at - required_samples(judgement.step) * judgement.step, judgement.at)
    samples = _suspect_samples(judgement, root, window)
    patterns = (build_pattern(kind, samples, window, probability, summary) for kind, _, summary in kinds)
    return tuple(
        pattern.model_copy(
            update={
                "components": components,
                "evidence": pattern.evidence.model_copy(update={"features": features}),
            }
        )
        for pattern, (_, components, _) in zip(patterns, kinds, strict=True)
    )


def deviation_causes(judgement: Judgement, ranking: SuspectRanking, calibration: Calibration) -> tuple[RootCause, ...]:
    """Return the suspects as root causes, each with half the confidence of the one before it.

    The first explains all violations of the linked components; the others are alternatives and explain none.
    """
    probability = calibration.probability(calibration_features(ranking))
    linked = {*ranking.group, ranking.root.deviation.track.component}
    violations = [
        violation
        for violation in judgement.violations
        if linked & {violation.component, *(parse_call_edge(violation.component) or ())}
    ]
    if not violations:
        return ()
    alternative = f"; {ranking.suspects[1].component} is as likely" if ranking.tied else ""
    return tuple(
        RootCause(
            cause=Cause.DEVIATION,
            component=suspect.component,
            confidence=round(probability / 2**rank, 4),
            onset=min(violation.since for violation in violations),
            reason=_describe_suspect(suspect) + (alternative if rank == 0 else ""),
            violated_pairs=tuple(sorted(violation.key for violation in violations)) if rank == 0 else (),
        )
        for rank, suspect in enumerate(ranking.suspects)
    )


def _describe_suspect(suspect: Suspect) -> str:
    track = suspect.deviation.track
    deviation = track.deviations[-1] or 0.0
    limit = f" ({track.values[-1]:.4g}, limit {track.current_limit[0]:.4g})" if track.current_limit else ""
    measured_at = "" if track.component == suspect.component else f" measured at {track.component}"
    return (
        f"{track.metric} of {suspect.component}{measured_at} is {deviation:.1f} spreads from its baseline{limit}, "
        f"strength {suspect.deviation.strength:.1f}"
    )


def _suspect_samples(judgement: Judgement, suspect: Suspect, window: TimeWindow) -> list[ViolationSample]:
    track = suspect.deviation.track
    timed_values = zip(judgement.grid, track.values, strict=True)
    samples = [
        ViolationSample(at, track.component, track.metric, value)
        for at, value in timed_values
        if window.start < at <= window.end
    ]
    return samples[::-1]
