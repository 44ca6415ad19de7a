"""What outcomes teach of patterns: was the trouble they told of still there when it was to be remedied?"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from activities.analyze.learning.calibration import Calibration, fit
from activities.analyze.settings import Algorithms
from activities.model.outcome import Outcome, OutcomeType
from activities.model.pattern import Curve, Pattern, PatternKind

REMEMBERED = 300
"""Newest outcomes that are learned from: what was true before many changes is forgotten."""
PRIOR_WORTH = 20.0
"""Outcomes the analyzer's own constant is worth: as many real ones, and it counts for half."""
RIDGE = 5.0
"""Pulls the weight of the strength towards 0 like that many outcomes: few of them show a share, but no slope."""
_LEAST_LINKED = 2
"""Counted violations that a causal pattern has at least: one at each end."""


class Lesson(NamedTuple):
    """One pattern that a plan rested on, and whether its trouble outlasted the moment it takes to look again."""

    kind: PatternKind
    strength: float
    real: bool


def lessons(outcomes: Iterable[Outcome]) -> Iterator[Lesson]:
    """Yield what outcomes teach.

    Real is what was still violated when something was applied against it, whatever came of that; not real is what had
    gone away by itself (`recovered`) before the remediation first looked again: what goes away while a person thinks it
    over may be that person's work. All other endings (a no, a stale plan, a blind verification) teach nothing. Of
    several patterns of one kind the strongest counts, once: they are one trouble.
    """
    for outcome in outcomes:
        real = outcome.type is not OutcomeType.UNKNOWN and outcome.before > 0
        if real or (outcome.ending == "recovered" and not outcome.outlasted):
            for kind in sorted({ground.kind for ground in outcome.grounds}):
                strongest = max(ground.strength for ground in outcome.grounds if ground.kind is kind)
                yield Lesson(kind, strongest, real)


def curves(taught: Sequence[Lesson], settings: Algorithms) -> tuple[Curve, ...]:
    """Return a curve for each kind of pattern that outcomes teach of.

    Platt scaling (Platt 1999) over the lessons and `PRIOR_WORTH` imagined ones at strength 0, as many of them real as
    the analyzer's constant says. Where stronger evidence was real less often, strength is not believed, and the curve
    is the share of real ones.
    """
    known: dict[PatternKind, list[Lesson]] = {}
    for lesson in taught:
        known.setdefault(lesson.kind, []).append(lesson)
    return tuple(_curve(known[kind], sensitivity(kind, settings)) for kind in sorted(known))


def weighed(pattern: Pattern, settings: Algorithms, known: Sequence[Curve]) -> Pattern:
    """Return a counted pattern with the strength of its evidence, and the confidence its curve gives that, if any."""
    strength = math.log(max(1, pattern.evidence.count) / least(pattern.kind, settings))
    changed: dict[str, object] = {"strength": round(strength, 4)}
    curve = next((one for one in known if one.kind is pattern.kind), None)
    if curve is None:
        return pattern.model_copy(update={"evidence": pattern.evidence.model_copy(update=changed)})
    changed["text"] = f"{pattern.evidence.text}; {curve.real} of {curve.n} such were real"
    confidence = Calibration(intercept=curve.intercept, weights=(curve.weight,)).probability((strength,))
    evidence = pattern.evidence.model_copy(update=changed)
    learned = {"confidence": round(confidence, 4), "prior": pattern.confidence, "evidence": evidence}
    return pattern.model_copy(update=learned)


def sensitivity(kind: PatternKind, settings: Algorithms) -> float:
    """Return the constant of an analyzer: its confidence before there are outcomes, 0.01 to 0.99."""
    return float(min(0.99, max(0.01, getattr(settings, kind.value).sensitivity)))


def least(kind: PatternKind, settings: Algorithms) -> int:
    """Return how many counted violations make a pattern of the kind."""
    return {
        PatternKind.TEMPORAL: settings.temporal.threshold,
        PatternKind.SPATIAL: settings.spatial.min_components,
        PatternKind.FREQUENCY: settings.frequency.anomaly_threshold,
    }.get(kind, _LEAST_LINKED)


def _curve(taught: Sequence[Lesson], prior: float) -> Curve:
    real = sum(lesson.real for lesson in taught)
    evidence = [[0.0], [0.0], *([lesson.strength] for lesson in taught)]
    truth = [True, False, *(lesson.real for lesson in taught)]
    weights = [PRIOR_WORTH * prior, PRIOR_WORTH * (1.0 - prior), *(1.0 for _ in taught)]
    fitted = fit(evidence, truth, weights, RIDGE)
    intercept, weight = fitted.intercept, fitted.weights[0]
    if weight < 0.0:
        share = (PRIOR_WORTH * prior + real) / (PRIOR_WORTH + len(taught))
        intercept, weight = math.log(share / (1.0 - share)), 0.0
    return Curve(kind=taught[0].kind, intercept=round(intercept, 4), weight=weight, n=len(taught), real=real)
