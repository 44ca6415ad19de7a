"""Hypotheses about the cause of violations, and their confirmation.

No cause is better than a wrong one. A cause needs symptoms that persist (a temporal or frequency pattern) and at least
half of its expected symptoms; its confidence is scaled by that share. Without such a cause the answer is "unknown", and
the next cycle diagnoses again, when more symptoms may be present.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from activities.model.diagnosis import Cause, RootCause
from activities.model.pattern import Pattern, PatternKind
from activities.model.topology import Topology
from activities.model.types import MetricKey
from activities.model.violation import Violation

PERSISTENT_KINDS = frozenset({PatternKind.TEMPORAL, PatternKind.FREQUENCY})
"""The kinds of pattern that span several instants."""

MIN_SYMPTOM_SHARE = 0.5
"""Share of its expected symptoms below which a cause is not named."""

TIE_RATIO = 0.9
"""Values within 10 % of the highest count as equal: noise must not choose between components."""


@dataclass(frozen=True)
class DiagnosisCase:
    """The violations to explain.

    `violations` are the present ones. `symptoms` maps each violated component to the metrics violated in the latest
    window, so that a symptom missing for one instant still counts. `members` are the visible members of the committee;
    `topology` names them, not "committee".
    """

    violations: tuple[Violation, ...]
    symptoms: Mapping[str, frozenset[str]]
    patterns: tuple[Pattern, ...]
    members: tuple[str, ...]
    topology: Topology

    def with_symptom(self, family: frozenset[str]) -> tuple[str, ...]:
        """Return the components with a symptom of the family, sorted."""
        return tuple(sorted(name for name, metrics in self.symptoms.items() if metrics & family))

    def without(self, pairs: Iterable[MetricKey]) -> "DiagnosisCase":
        """Return the case without the explained pairs."""
        explained = set(pairs)
        remaining = {
            name: frozenset(metric for metric in metrics if (name, metric) not in explained)
            for name, metrics in self.symptoms.items()
        }
        return replace(
            self,
            violations=tuple(v for v in self.violations if v.key not in explained),
            symptoms={name: metrics for name, metrics in remaining.items() if metrics},
        )


@dataclass(frozen=True)
class CauseHypothesis:
    """A cause that may explain some symptoms; `symptom_share` (0 to 1) of its expected ones are present."""

    cause: Cause
    component: str
    symptom_share: float
    explained_pairs: frozenset[MetricKey]
    reason: str


def symptom_pairs(
    case: DiagnosisCase, components: Iterable[str], family: frozenset[str] | None = None
) -> frozenset[MetricKey]:
    """Return the symptoms of the components as pairs; with a family, only its metrics."""
    return frozenset(
        (name, metric)
        for name in components
        for metric in case.symptoms.get(name, ())
        if family is None or metric in family
    )


def confirm(case: DiagnosisCase, hypothesis: CauseHypothesis) -> RootCause | None:
    """Return the root cause; None if too few symptoms are present, do not persist, or none is violated now.

    Its confidence is that of the most confident pattern on its components, times the share of present symptoms.
    """
    violations = [violation for violation in case.violations if violation.key in hypothesis.explained_pairs]
    components = {component for component, _ in hypothesis.explained_pairs}
    supporting = [pattern for pattern in case.patterns if components & set(pattern.components)]
    if (
        hypothesis.symptom_share < MIN_SYMPTOM_SHARE
        or not violations
        or not any(pattern.kind in PERSISTENT_KINDS for pattern in supporting)
    ):
        return None
    is_calibrated = any(pattern.prior is not None for pattern in supporting)
    prior = max(pattern.confidence if pattern.prior is None else pattern.prior for pattern in supporting)
    return RootCause(
        cause=hypothesis.cause,
        component=hypothesis.component,
        confidence=round(max(pattern.confidence for pattern in supporting) * hypothesis.symptom_share, 4),
        prior=round(prior * hypothesis.symptom_share, 4) if is_calibrated else None,
        onset=min(violation.since for violation in violations),
        reason=hypothesis.reason,
        violated_pairs=tuple(sorted(violation.key for violation in violations)),
    )


def make_unknown_cause(case: DiagnosisCase) -> RootCause:
    """Return the cause "unknown". Its confidence is 0, so that no action is planned for it."""
    explanation = "no known cause has these symptoms" if case.patterns else "no pattern yet"
    return RootCause(
        cause=Cause.UNKNOWN,
        component=case.violations[0].component,
        confidence=0.0,
        onset=min(violation.since for violation in case.violations),
        reason=f"{len(case.violations)} violation{'' if len(case.violations) == 1 else 's'}, {explanation}",
        violated_pairs=tuple(sorted(violation.key for violation in case.violations)),
    )


def rank_causes(causes: Sequence[RootCause]) -> tuple[RootCause, ...]:
    """Return the causes by confidence, the highest first; ties by cause and component."""
    return tuple(sorted(causes, key=lambda cause: (-cause.confidence, cause.cause, cause.component)))
