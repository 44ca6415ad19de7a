"""The findings of the analyzers."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.types import FrozenModel, MigratedModel


class PatternKind(StrEnum):
    """The names of the analyzers. `predictive` is advisory: no action is based on it."""

    TEMPORAL = "temporal"
    SPATIAL = "spatial"
    CAUSAL = "causal"
    FREQUENCY = "frequency"
    PREDICTIVE = "predictive"


class Evidence(MigratedModel):
    """Evidence that an operator can check: the window (start, end] in unix seconds, and the counted samples.

    `samples` are at most 5 of the counted (component, metric, instant, value), newest first; `count` covers all.
    `features` are the numbers that calibrated the confidence of a deviation, empty for other patterns. Other patterns
    have a `strength`: log(count ÷ minimum count of the pattern).
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
    """One finding. `confidence` is the probability, 0 to 1, that it has a real fault.

    `prior` is the confidence before calibration by outcomes, None without calibration.
    """

    kind: PatternKind
    components: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    confidence: float
    evidence: Evidence
    prior: float | None = None


class PatternBasis(FrozenModel):
    """A pattern that a plan is based on, kept with the outcome of the plan. `strength` is that of its evidence."""

    kind: PatternKind
    strength: float


class CalibrationCurve(MigratedModel):
    """The calibration of one kind of pattern by outcomes.

    Of `count` plans based on such a pattern, `true_positives` found the problem still there before the apply. The
    confidence at a strength is 1 / (1 + exp(−(intercept + weight · strength))), limited to 0.01 to 0.99. `weight` is
    never negative.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"n": "count", "real": "true_positives"}

    kind: PatternKind
    intercept: float
    weight: float
    count: int
    true_positives: int
