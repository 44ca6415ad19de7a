"""Patterns and root causes of components that depart from their own past.

The trouble is one: its patterns differ in what they say of it, and share the probability that a fault is behind it.
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
"""Linked components beyond which one more says nothing new."""


def calibration_features(ranking: SuspectRanking) -> tuple[float, float, float]:
    """Return what the calibration weighs: log(strength ÷ `STRONG`), samples held beyond the first, log(group)."""
    root = ranking.root.deviation
    above = math.log(max(root.strength, 1e-6) / STRONG_THRESHOLD)
    return (above, float(max(0, root.samples_held - 1)), math.log(min(_MAX_COUNTED_COMPONENTS, len(ranking.group))))


def deviation_patterns(
    judgement: Judgement, ranking: SuspectRanking, calibration: Calibration, min_components: int
) -> tuple[Pattern, ...]:
    """Return the patterns of a trouble.

    Frequency: the root keeps deviating. Causal: it would explain deviating callers. Spatial: the linked components
    that deviate, if at least `least` do; a grouping, no detector.
    """
    features, root = calibration_features(ranking), ranking.root
    probability = calibration.probability(features)
    kinds: list[tuple[PatternKind, tuple[str, ...], str]] = [
        (PatternKind.FREQUENCY, (root.component,), _describe_suspect(root))
    ]
    if root.affected_callers:
        text = f"{root.component} deviates, no callee explains it, and its callers {', '.join(root.affected_callers)} deviate too"
        kinds.append((PatternKind.CAUSAL, tuple(sorted({root.component, *root.affected_callers})), text))
    if len(ranking.group) >= min_components:
        text = f"{len(ranking.group)} ≥ {min_components} components linked by calls deviate together"
        kinds.append((PatternKind.SPATIAL, ranking.group, text))
    window = TimeWindow(judgement.at - required_samples(judgement.step) * judgement.step, judgement.at)
    found = _suspect_samples(judgement, root, window)
    patterns = (build_pattern(kind, found, window, probability, text) for kind, _, text in kinds)
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
    """Return the suspects as root causes: the first with the trouble's probability, each further one with half of it.

    The first explains all violations of the linked components; the others are doubts, and explain nothing.
    """
    probability = calibration.probability(calibration_features(ranking))
    near = {*ranking.group, ranking.root.deviation.track.component}
    held = [
        violation
        for violation in judgement.violations
        if near & {violation.component, *(parse_call_edge(violation.component) or ())}
    ]
    if not held:
        return ()
    doubt = f"; {ranking.suspects[1].component} is as likely" if ranking.tied else ""
    return tuple(
        RootCause(
            cause=Cause.DEVIATION,
            component=suspect.component,
            confidence=round(probability / 2**place, 4),
            onset=min(violation.since for violation in held),
            reason=_describe_suspect(suspect) + (doubt if place == 0 else ""),
            violated_pairs=tuple(sorted(violation.key for violation in held)) if place == 0 else (),
        )
        for place, suspect in enumerate(ranking.suspects)
    )


def _describe_suspect(suspect: Suspect) -> str:
    one = suspect.deviation
    last = one.track.deviations[-1] or 0.0
    bound = f" ({one.track.values[-1]:.4g}, limit {one.track.current_limit[0]:.4g})" if one.track.current_limit else ""
    seen = "" if one.track.component == suspect.component else f" seen at {one.track.component}"
    return (
        f"{one.track.metric} of {suspect.component}{seen} is {last:.1f} spreads from its usual{bound}, "
        f"strength {one.strength:.1f}"
    )


def _suspect_samples(judgement: Judgement, suspect: Suspect, window: TimeWindow) -> list[ViolationSample]:
    track = suspect.deviation.track
    timed = zip(judgement.grid, track.values, strict=True)
    found = [
        ViolationSample(at, track.component, track.metric, value)
        for at, value in timed
        if window.start < at <= window.end
    ]
    return found[::-1]
