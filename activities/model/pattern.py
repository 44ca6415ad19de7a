"""What an analyzer found."""

from enum import StrEnum

from activities.model.base import Noun


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
    `features` are the numbers its confidence was calibrated from, empty where that is a prior.
    """

    start: float
    end: float
    count: int
    samples: tuple[tuple[str, str, float, float | None], ...] = ()
    text: str = ""
    features: tuple[float, ...] = ()


class Pattern(Noun):
    """One finding. `confidence` is the probability, 0 to 1, that a real fault is behind it."""

    kind: PatternKind
    components: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    confidence: float
    evidence: Evidence
