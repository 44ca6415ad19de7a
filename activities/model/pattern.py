"""What an analyzer found."""

from enum import StrEnum

from activities.model.types import Noun


class PatternKind(StrEnum):
    """The analyzers' names. `predictive` is advisory: it never acts."""

    TEMPORAL = "temporal"
    SPATIAL = "spatial"
    CAUSAL = "causal"
    FREQUENCY = "frequency"
    PREDICTIVE = "predictive"


class Evidence(Noun):
    """What a person can check: the window (start, end], unix seconds, and the counted samples.

    `samples` are at most 5 of the counted (component, metric, instant, value), newest first; `count` is of all.
    `features` are the numbers the confidence of a departure was calibrated from, empty for the others. Those have a
    `strength`: log(count ÷ the least count that makes the pattern).
    """

    start: float
    end: float
    count: int
    samples: tuple[tuple[str, str, float, float | None], ...] = ()
    text: str = ""
    features: tuple[float, ...] = ()
    strength: float | None = None


class Pattern(Noun):
    """One finding. `confidence` is the probability, 0 to 1, that a real fault is behind it.

    `prior` is the analyzer's constant where outcomes made another confidence of it, else None.
    """

    kind: PatternKind
    components: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    confidence: float
    evidence: Evidence
    prior: float | None = None


class Ground(Noun):
    """A pattern a plan rests on, kept with what became of the plan. `strength` is its evidence's."""

    kind: PatternKind
    strength: float


class Curve(Noun):
    """What outcomes say of one kind of pattern.

    Of `n` plans that rested on one, `real` found the trouble still there when they were to be applied. The confidence
    at a strength is 1 / (1 + exp(−(intercept + weight · strength))), kept within 0.01 to 0.99; `weight` is never
    negative.
    """

    kind: PatternKind
    intercept: float
    weight: float
    n: int
    real: int
