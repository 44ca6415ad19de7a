"""What an analyzer found."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.types import FrozenModel, MigratedModel


class PatternKind(StrEnum):
    """The analyzers' names. `predictive` is advisory: it never acts."""

    TEMPORAL = "temporal"
    SPATIAL = "spatial"
    CAUSAL = "causal"
    FREQUENCY = "frequency"
    PREDICTIVE = "predictive"


class Evidence(MigratedModel):
    """What a person can check: the window (start, end], unix seconds, and the counted samples.

    `samples` are at most 5 of the counted (component, metric, instant, value), newest first; `count` is of all.
    `features` are the numbers the confidence of a departure was calibrated from, empty for the others. Those have a
    `strength`: log(count ÷ the least count that makes the pattern).
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"text": "summary"}

    start: float
    end: float
    count: int
    samples: tuple[tuple[str, str, float, float | None], ...] = ()
    summary: str = ""
    features: tuple[float, ...] = ()
    strength: float | None = None


class Pattern(FrozenModel):
    """One finding. `confidence` is the probability, 0 to 1, that a real fault is behind it.

    `prior` is the analyzer's constant where outcomes made another confidence of it, else None.
    """

    kind: PatternKind
    components: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    confidence: float
    evidence: Evidence
    prior: float | None = None


class PatternBasis(FrozenModel):
    """A pattern a plan rests on, kept with what became of the plan. `strength` is its evidence's."""

    kind: PatternKind
    strength: float


class CalibrationCurve(MigratedModel):
    """What outcomes say of one kind of pattern.

    Of `n` plans that rested on one, `real` found the trouble still there when they were to be applied. The confidence
    at a strength is 1 / (1 + exp(−(intercept + weight · strength))), kept within 0.01 to 0.99; `weight` is never
    negative.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"n": "count", "real": "true_positives"}

    kind: PatternKind
    intercept: float
    weight: float
    count: int
    true_positives: int
