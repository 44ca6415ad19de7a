"""Calibration of patterns by outcomes: was the violation still present when the plan was applied?"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from activities.analyze.learning.calibration import Calibration, fit_calibration
from activities.analyze.settings import AlgorithmSettings
from activities.model.outcome import EffectClass, Outcome
from activities.model.pattern import CalibrationCurve, Pattern, PatternKind
from activities.model.remediation_outcome import RemediationOutcome

MAX_OUTCOMES = 300
"""Newest outcomes to learn from: older ones describe a system that has changed."""
PRIOR_PSEUDO_COUNT = 20.0
"""Outcomes that the prior counts as: with as many real outcomes its weight is one half."""
RIDGE_PENALTY = 5.0
"""Pulls the weight of the strength towards 0 like that many outcomes: few outcomes show a share, but no slope."""
_MIN_CAUSAL_SAMPLES = 2
"""Fewest violation samples of a causal pattern: one at each end."""


class LabelledPattern(NamedTuple):
    """One pattern behind a plan, and whether its violation was still present at the next observation."""

    kind: PatternKind
    strength: float
    is_true_positive: bool


def label_patterns(outcomes: Iterable[Outcome]) -> Iterator[LabelledPattern]:
    """Yield the labelled patterns of the outcomes.

    A true positive was still violated when the plan was applied, with any effect. A false positive had ended without a
    change (`recovered`) before the remediation observed again. A violation that ends during an approval gives no label:
    an operator may have ended it. Neither do other outcomes (rejected, stale, blind verification). Of several patterns
    of one kind only the strongest counts: they describe the same violations.
    """
    for outcome in outcomes:
        is_true_positive = outcome.type is not EffectClass.UNKNOWN and outcome.before > 0
        if is_true_positive or (outcome.outcome == RemediationOutcome.RECOVERED and not outcome.problem_persisted):
            for kind in sorted({basis.kind for basis in outcome.evidence_patterns}):
                strongest = max(basis.strength for basis in outcome.evidence_patterns if basis.kind is kind)
                yield LabelledPattern(kind, strongest, is_true_positive)


def fit_curves(examples: Sequence[LabelledPattern], settings: AlgorithmSettings) -> tuple[CalibrationCurve, ...]:
    """Return a curve for each kind of pattern among the examples.

    Platt scaling (Platt 1999) over the examples and `PRIOR_PSEUDO_COUNT` imaginary ones at strength 0, whose share of
    true positives is the prior. Where stronger evidence was true less often, the curve ignores the strength and is the
    share of true positives.
    """
    examples_by_kind: dict[PatternKind, list[LabelledPattern]] = {}
    for example in examples:
        examples_by_kind.setdefault(example.kind, []).append(example)
    return tuple(_fit_curve(examples_by_kind[kind], sensitivity(kind, settings)) for kind in sorted(examples_by_kind))


def apply_curve(pattern: Pattern, settings: AlgorithmSettings, curves: Sequence[CalibrationCurve]) -> Pattern:
    """Return the pattern with the strength of its evidence and, if it has a curve, the calibrated confidence."""
    strength = math.log(max(1, pattern.evidence.count) / min_count(pattern.kind, settings))
    evidence_update: dict[str, object] = {"strength": round(strength, 4)}
    curve = next((curve for curve in curves if curve.kind is pattern.kind), None)
    if curve is None:
        return pattern.model_copy(update={"evidence": pattern.evidence.model_copy(update=evidence_update)})
    evidence_update["summary"] = (
        f"{pattern.evidence.summary}; {curve.true_positives} of {curve.count} such patterns were true"
    )
    confidence = Calibration(intercept=curve.intercept, weights=(curve.weight,)).probability((strength,))
    evidence = pattern.evidence.model_copy(update=evidence_update)
    return pattern.model_copy(
        update={"confidence": round(confidence, 4), "prior": pattern.confidence, "evidence": evidence}
    )


def sensitivity(kind: PatternKind, settings: AlgorithmSettings) -> float:
    """Return the prior of an analyzer: its confidence before there are outcomes, 0.01 to 0.99."""
    return float(min(0.99, max(0.01, getattr(settings, kind.value).sensitivity)))


def min_count(kind: PatternKind, settings: AlgorithmSettings) -> int:
    """Return the fewest violation samples of a pattern of the kind."""
    return {
        PatternKind.TEMPORAL: settings.temporal.threshold,
        PatternKind.SPATIAL: settings.spatial.min_components,
        PatternKind.FREQUENCY: settings.frequency.anomaly_threshold,
    }.get(kind, _MIN_CAUSAL_SAMPLES)


def _fit_curve(examples: Sequence[LabelledPattern], prior: float) -> CalibrationCurve:
    true_positives = sum(example.is_true_positive for example in examples)
    features = [[0.0], [0.0], *([example.strength] for example in examples)]
    labels = [True, False, *(example.is_true_positive for example in examples)]
    weights = [PRIOR_PSEUDO_COUNT * prior, PRIOR_PSEUDO_COUNT * (1.0 - prior), *(1.0 for _ in examples)]
    calibration = fit_calibration(features, labels, weights, RIDGE_PENALTY)
    intercept, weight = calibration.intercept, calibration.weights[0]
    if weight < 0.0:
        share = (PRIOR_PSEUDO_COUNT * prior + true_positives) / (PRIOR_PSEUDO_COUNT + len(examples))
        intercept, weight = math.log(share / (1.0 - share)), 0.0
    return CalibrationCurve(
        kind=examples[0].kind,
        intercept=round(intercept, 4),
        weight=weight,
        count=len(examples),
        true_positives=true_positives,
    )
