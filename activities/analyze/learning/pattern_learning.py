"""What outcomes teach of patterns: was the trouble they told of still there when it was to be remedied?"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from activities.analyze.learning.calibration import Calibration, fit_calibration
from activities.analyze.settings import AlgorithmSettings
from activities.model.outcome import EffectClass, Outcome
from activities.model.pattern import CalibrationCurve, Pattern, PatternKind
from activities.model.remediation_outcome import RemediationOutcome

MAX_OUTCOMES = 300
"""Newest outcomes that are learned from: what was true before many changes is forgotten."""
PRIOR_PSEUDO_COUNT = 20.0
"""Outcomes the analyzer's own constant is worth: as many real ones, and it counts for half."""
RIDGE_PENALTY = 5.0
"""Pulls the weight of the strength towards 0 like that many outcomes: few of them show a share, but no slope."""
_MIN_CAUSAL_SAMPLES = 2
"""Counted violations that a causal pattern has at least: one at each end."""


class LabelledPattern(NamedTuple):
    """One pattern that a plan rested on, and whether its trouble outlasted the moment it takes to look again."""

    kind: PatternKind
    strength: float
    is_true_positive: bool


def label_patterns(outcomes: Iterable[Outcome]) -> Iterator[LabelledPattern]:
    """Yield what outcomes teach.

    Real is what was still violated when something was applied against it, whatever came of that; not real is what had
    gone away by itself (`recovered`) before the remediation first looked again: what goes away while a person thinks it
    over may be that person's work. All other endings (a no, a stale plan, a blind verification) teach nothing. Of
    several patterns of one kind the strongest counts, once: they are one trouble.
    """
    for outcome in outcomes:
        real = outcome.type is not EffectClass.UNKNOWN and outcome.before > 0
        if real or (outcome.outcome == RemediationOutcome.RECOVERED and not outcome.problem_persisted):
            for kind in sorted({ground.kind for ground in outcome.evidence_patterns}):
                strongest = max(ground.strength for ground in outcome.evidence_patterns if ground.kind is kind)
                yield LabelledPattern(kind, strongest, real)


def fit_curves(examples: Sequence[LabelledPattern], settings: AlgorithmSettings) -> tuple[CalibrationCurve, ...]:
    """Return a curve for each kind of pattern that outcomes teach of.

    Platt scaling (Platt 1999) over the lessons and `PRIOR_WORTH` imagined ones at strength 0, as many of them real as
    the analyzer's constant says. Where stronger evidence was real less often, strength is not believed, and the curve
    is the share of real ones.
    """
    known: dict[PatternKind, list[LabelledPattern]] = {}
    for lesson in examples:
        known.setdefault(lesson.kind, []).append(lesson)
    return tuple(_fit_curve(known[kind], sensitivity(kind, settings)) for kind in sorted(known))


def apply_curve(pattern: Pattern, settings: AlgorithmSettings, curves: Sequence[CalibrationCurve]) -> Pattern:
    """Return a counted pattern with the strength of its evidence, and the confidence its curve gives that, if any."""
    strength = math.log(max(1, pattern.evidence.count) / min_count(pattern.kind, settings))
    changed: dict[str, object] = {"strength": round(strength, 4)}
    curve = next((one for one in curves if one.kind is pattern.kind), None)
    if curve is None:
        return pattern.model_copy(update={"evidence": pattern.evidence.model_copy(update=changed)})
    changed["summary"] = f"{pattern.evidence.summary}; {curve.true_positives} of {curve.count} such were real"
    confidence = Calibration(intercept=curve.intercept, weights=(curve.weight,)).probability((strength,))
    evidence = pattern.evidence.model_copy(update=changed)
    learned = {"confidence": round(confidence, 4), "prior": pattern.confidence, "evidence": evidence}
    return pattern.model_copy(update=learned)


def sensitivity(kind: PatternKind, settings: AlgorithmSettings) -> float:
    """Return the constant of an analyzer: its confidence before there are outcomes, 0.01 to 0.99."""
    return float(min(0.99, max(0.01, getattr(settings, kind.value).sensitivity)))


def min_count(kind: PatternKind, settings: AlgorithmSettings) -> int:
    """Return how many counted violations make a pattern of the kind."""
    return {
        PatternKind.TEMPORAL: settings.temporal.threshold,
        PatternKind.SPATIAL: settings.spatial.min_components,
        PatternKind.FREQUENCY: settings.frequency.anomaly_threshold,
    }.get(kind, _MIN_CAUSAL_SAMPLES)


def _fit_curve(examples: Sequence[LabelledPattern], prior: float) -> CalibrationCurve:
    real = sum(lesson.is_true_positive for lesson in examples)
    evidence = [[0.0], [0.0], *([lesson.strength] for lesson in examples)]
    truth = [True, False, *(lesson.is_true_positive for lesson in examples)]
    weights = [PRIOR_PSEUDO_COUNT * prior, PRIOR_PSEUDO_COUNT * (1.0 - prior), *(1.0 for _ in examples)]
    fitted = fit_calibration(evidence, truth, weights, RIDGE_PENALTY)
    intercept, weight = fitted.intercept, fitted.weights[0]
    if weight < 0.0:
        share = (PRIOR_PSEUDO_COUNT * prior + real) / (PRIOR_PSEUDO_COUNT + len(examples))
        intercept, weight = math.log(share / (1.0 - share)), 0.0
    return CalibrationCurve(
        kind=examples[0].kind, intercept=round(intercept, 4), weight=weight, count=len(examples), true_positives=real
    )
