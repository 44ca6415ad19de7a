"""Patterns and root causes of components that depart from their own past.

The trouble is one: its patterns differ in what they say of it, and share the probability that a fault is behind it.
"""

import math

from activities.analyze.deviation.components import STRONG, samples_to_hold
from activities.analyze.deviation.ranking import Suspect, Trouble
from activities.analyze.learning.calibration import Calibration
from activities.analyze.patterns.counting import Hit, Window, pattern_of
from activities.model.diagnosis import Cause, RootCause
from activities.model.pattern import Pattern, PatternKind
from activities.monitor.call_edges import ends_of
from activities.monitor.judgement import Judged

_MANY = 5
"""Linked components beyond which one more says nothing new."""


def evidence_of(trouble: Trouble) -> tuple[float, float, float]:
    """Return what the calibration weighs: log(strength ÷ `STRONG`), samples held beyond the first, log(group)."""
    root = trouble.root.deviant
    above = math.log(max(root.strength, 1e-6) / STRONG)
    return (above, float(max(0, root.held - 1)), math.log(min(_MANY, len(trouble.group))))


def departures(judged: Judged, trouble: Trouble, calibration: Calibration, least: int) -> tuple[Pattern, ...]:
    """Return the patterns of a trouble.

    Frequency: the root keeps deviating. Causal: it would explain deviating callers. Spatial: the linked components
    that deviate, if at least `least` do; a grouping, no detector.
    """
    features, root = evidence_of(trouble), trouble.root
    probability = calibration.probability(features)
    kinds: list[tuple[PatternKind, tuple[str, ...], str]] = [(PatternKind.FREQUENCY, (root.component,), _said(root))]
    if root.reaches:
        text = (
            f"{root.component} deviates, no callee explains it, and its callers {', '.join(root.reaches)} deviate too"
        )
        kinds.append((PatternKind.CAUSAL, tuple(sorted({root.component, *root.reaches})), text))
    if len(trouble.group) >= least:
        text = f"{len(trouble.group)} ≥ {least} components linked by calls deviate together"
        kinds.append((PatternKind.SPATIAL, trouble.group, text))
    window = Window(judged.at - samples_to_hold(judged.step) * judged.step, judged.at)
    found = _hits(judged, root, window)
    patterns = (pattern_of(kind, found, window, probability, text) for kind, _, text in kinds)
    return tuple(
        pattern.model_copy(
            update={
                "components": components,
                "evidence": pattern.evidence.model_copy(update={"features": features}),
            }
        )
        for pattern, (_, components, _) in zip(patterns, kinds, strict=True)
    )


def departed(judged: Judged, trouble: Trouble, calibration: Calibration) -> tuple[RootCause, ...]:
    """Return the suspects as root causes: the first with the trouble's probability, each further one with half of it.

    The first explains all violations of the linked components; the others are doubts, and explain nothing.
    """
    probability = calibration.probability(evidence_of(trouble))
    near = {*trouble.group, trouble.root.deviant.track.component}
    held = [
        violation
        for violation in judged.violations
        if near & {violation.component, *(ends_of(violation.component) or ())}
    ]
    if not held:
        return ()
    doubt = f"; {trouble.suspects[1].component} is as likely" if trouble.tied else ""
    return tuple(
        RootCause(
            cause=Cause.DEVIATION,
            component=suspect.component,
            confidence=round(probability / 2**place, 4),
            onset=min(violation.since for violation in held),
            why=_said(suspect) + (doubt if place == 0 else ""),
            pairs=tuple(sorted(violation.key for violation in held)) if place == 0 else (),
        )
        for place, suspect in enumerate(trouble.suspects)
    )


def _said(suspect: Suspect) -> str:
    one = suspect.deviant
    last = one.track.deviations[-1] or 0.0
    bound = f" ({one.track.values[-1]:.4g}, limit {one.track.bound[0]:.4g})" if one.track.bound else ""
    seen = "" if one.track.component == suspect.component else f" seen at {one.track.component}"
    return (
        f"{one.track.metric} of {suspect.component}{seen} is {last:.1f} spreads from its usual{bound}, "
        f"strength {one.strength:.1f}"
    )


def _hits(judged: Judged, root: Suspect, window: Window) -> list[Hit]:
    track = root.deviant.track
    timed = zip(judged.grid, track.values, strict=True)
    found = [Hit(at, track.component, track.metric, value) for at, value in timed if window.start < at <= window.end]
    return found[::-1]
