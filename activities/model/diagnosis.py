"""A diagnosis: the patterns, the ranked root causes and the confidence."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from activities.model.blindspot import BlindSpot
from activities.model.pattern import Pattern
from activities.model.types import FrozenModel, MigratedModel
from activities.model.violation import Violation


class Cause(StrEnum):
    """The possible causes of violations."""

    VALIDATION_LATENCY = "validation_latency"
    POLICY_MISCONFIGURATION = "policy_misconfiguration"
    CASCADE = "cascade"
    OVERLOAD = "overload"
    UNHEALTHY_MEMBER = "unhealthy_member"
    DEVIATION = "deviation"
    UNKNOWN = "unknown"


class RootCause(MigratedModel):
    """A ranked cause. `component` is its location, "committee" for a problem of all validators.

    `confidence` is 0 to 1. `onset` (unix seconds) is the start of the earliest violation that it explains.
    `violated_pairs` are the (component, metric) pairs that it explains: a remedy must fix them. `prior` is the
    confidence before calibration by outcomes, None without calibration.
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
        """The confidence before calibration by outcomes."""
        return self.confidence if self.prior is None else self.prior


class Diagnosis(FrozenModel):
    """Patterns, ranked root causes and the overall confidence, or "unknown".

    `digest` names the stored analysis input. `violations` are all that hold at `at`.
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
        """Whether any cause other than "unknown" was named."""
        return any(c.cause is not Cause.UNKNOWN for c in self.root_causes)
