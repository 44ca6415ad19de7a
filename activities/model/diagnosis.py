"""Analyze's answer."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.blindspot import BlindSpot
from activities.model.pattern import Pattern
from activities.model.types import FrozenModel, MigratedModel
from activities.model.violation import Violation


class Cause(StrEnum):
    """What may be behind the violations."""

    VALIDATION_LATENCY = "validation_latency"
    POLICY_MISCONFIGURATION = "policy_misconfiguration"
    CASCADE = "cascade"
    OVERLOAD = "overload"
    UNHEALTHY_MEMBER = "unhealthy_member"
    DEVIATION = "deviation"
    UNKNOWN = "unknown"


class RootCause(MigratedModel):
    """A ranked cause. `component` is where it sits ("committee" for a trouble of all validators).

    `confidence` is 0 to 1. `onset` is unix seconds of the earliest violation it explains. `pairs` are the
    (component, metric) it explains: what a remedy has to make good. `prior` is the confidence by the analyzers'
    constants, where outcomes made another one of it, else None.
    """

    FORMER_NAMES: ClassVar[Mapping[str, str]] = {"why": "reason", "pairs": "violated_pairs"}

    cause: Cause
    component: str
    confidence: float
    onset: float = 0.0
    reason: str = ""
    violated_pairs: tuple[tuple[str, str], ...] = ()
    prior: float | None = None

    @property
    def prior_confidence(self) -> float:
        """The confidence before anything was learned."""
        return self.confidence if self.prior is None else self.prior


class Diagnosis(FrozenModel):
    """Patterns, ranked root causes and the overall confidence, or "unknown".

    `digest` names the stored analysis input it was made from. `violations` are all that hold at `at`.
    """

    headline: str
    at: float
    confidence: float = 0.0
    patterns: tuple[Pattern, ...] = ()
    root_causes: tuple[RootCause, ...] = ()
    violations: tuple[Violation, ...] = ()
    blind: tuple[BlindSpot, ...] = ()
    digest: str = ""

    @property
    def has_known_cause(self) -> bool:
        """Whether any cause but "unknown" was named."""
        return any(c.cause is not Cause.UNKNOWN for c in self.root_causes)
