"""The known causes and their symptoms. Each hypothesis explains pairs that no other one explains."""

from collections.abc import Callable, Iterator

from activities.analyze.causes.hypotheses import (
    TIE_RATIO,
    CauseHypothesis,
    DiagnosisCase,
    confirm,
    make_unknown_cause,
    rank_causes,
    symptom_pairs,
)
from activities.analyze.causes.symptoms import (
    COMMITTEE_SIZE_METRICS,
    DEAD_MEMBER_METRICS,
    FAILURE_METRICS,
    LATENCY_METRICS,
    NOTIFICATION_LATENCY_METRICS,
    NOTIFICATION_RATE_METRICS,
    POLICY_LOAD_METRICS,
    REPORT_LATENCY_METRICS,
    THROUGHPUT_METRICS,
    connected_components,
    find_upstream,
)
from activities.model.action import COMMITTEE
from activities.model.diagnosis import Cause, RootCause
from activities.monitor.metric_names import FAILURE_RATE, VALIDATION_SECONDS, VIOLATIONS

_MIN_CASCADE_COMPONENTS = 3
"""Fewest failing components of a cascade."""


def find_root_causes(case: DiagnosisCase) -> tuple[RootCause, ...]:
    """Return the ranked causes of the present violations, with disjoint pairs; none without a violation.

    Rules are applied in the order of their evidence: Charter's own findings, then symptoms of many components, then
    symptoms of one component. If no rule applies, the answer is one cause "unknown" with all pairs.
    """
    if not case.violations:
        return ()
    causes: list[RootCause] = []
    unexplained = case
    for explain in _CAUSE_RULES:
        for hypothesis in tuple(explain(unexplained)):
            cause = confirm(unexplained, hypothesis)
            if cause is not None:
                causes.append(cause)
                unexplained = unexplained.without(hypothesis.explained_pairs)
    return rank_causes(causes) or (make_unknown_cause(case),)


def _explain_dead_members(case: DiagnosisCase) -> Iterator[CauseHypothesis]:
    for name in case.with_symptom(DEAD_MEMBER_METRICS):
        reason = f"Charter reports that {name} does not answer"
        yield CauseHypothesis(Cause.UNHEALTHY_MEMBER, name, 1.0, symptom_pairs(case, [name]), reason)


def _explain_cascades(case: DiagnosisCase) -> Iterator[CauseHypothesis]:
    for group in connected_components(case.topology, case.with_symptom(FAILURE_METRICS)):
        alarming = [
            name for name in group if case.symptoms[name] & (REPORT_LATENCY_METRICS | NOTIFICATION_RATE_METRICS)
        ]
        if len(group) < _MIN_CASCADE_COMPONENTS or 2 * len(alarming) <= len(group):
            continue
        names = ", ".join(sorted(group))
        reason = f"{len(group)} linked components fail ({names}), {len(alarming)} of them with alarms"
        pairs = symptom_pairs(case, group, FAILURE_METRICS | REPORT_LATENCY_METRICS | NOTIFICATION_RATE_METRICS)
        yield CauseHypothesis(
            Cause.CASCADE, _find_cascade_source(case, group), (1 + len(alarming) / len(group)) / 2, pairs, reason
        )


def _find_cascade_source(case: DiagnosisCase, group: frozenset[str]) -> str:
    """Return the component that fails most; of equals, the one that none of the others calls.

    Each hop absorbs some of the retries, so failures are highest at the source. The call graph alone would blame a
    callee for the load from its caller.
    """
    failing = [v for v in case.violations if v.metric == FAILURE_RATE and v.component in group]
    rates = {violation.component: violation.value or 0.0 for violation in failing}
    highest = max(rates.values(), default=0.0)
    candidates = {name for name in group if rates.get(name, 0.0) >= TIE_RATIO * highest}
    entries = [name for name in candidates if not set(case.topology.callers(name)) & candidates]
    return min(entries or candidates)


def _explain_slow_committee(case: DiagnosisCase) -> Iterator[CauseHypothesis]:
    slow = [name for name in case.members if case.symptoms.get(name, frozenset()) & LATENCY_METRICS]
    failing = [name for name in slow if case.symptoms[name] & FAILURE_METRICS]
    if len(slow) < 2 or 2 * len(slow) <= len(case.members):
        return
    limits = {v.limit for v in case.violations if v.metric == VALIDATION_SECONDS and v.limit is not None}
    latency = f"above {min(limits):g} s" if limits else "slow"
    reason = f"{len(slow)} of {len(case.members)} validators {latency}, {len(failing)} of them failing"
    waiting = {
        name
        for name in find_upstream(case.topology, slow)
        if not case.symptoms.get(name, frozenset()) & REPORT_LATENCY_METRICS
    }
    pairs = symptom_pairs(case, [*slow, *waiting], LATENCY_METRICS | THROUGHPUT_METRICS) | symptom_pairs(
        case, case.symptoms, COMMITTEE_SIZE_METRICS
    )
    share = 1.0 if 2 * len(failing) <= len(slow) else 0.5
    yield CauseHypothesis(Cause.VALIDATION_LATENCY, COMMITTEE, share, pairs, reason)


def _explain_single_component(case: DiagnosisCase) -> Iterator[CauseHypothesis]:
    for name, metrics in sorted(case.symptoms.items()):
        reports_late, slow = bool(metrics & REPORT_LATENCY_METRICS), bool(metrics & LATENCY_METRICS)
        pairs = symptom_pairs(case, [name])
        if slow and metrics & NOTIFICATION_LATENCY_METRICS:
            reason = f"{name} alone is slow and notifies late" + (", but it also reports late" if reports_late else "")
            yield CauseHypothesis(Cause.UNHEALTHY_MEMBER, name, 0.5 if reports_late else 1.0, pairs, reason)
        elif slow and reports_late:
            yield CauseHypothesis(Cause.OVERLOAD, name, 1.0, pairs, f"{name} alone is slow and reports late")
        elif metrics & FAILURE_METRICS and not slow and not _has_failing_neighbour(case, name):
            expected = ({FAILURE_RATE}, {VIOLATIONS}, POLICY_LOAD_METRICS)
            present = [sorted(family & metrics)[0] for family in expected if family & metrics]
            reason = f"{', '.join(present)} on {name} without latency, and no neighbour fails"
            yield CauseHypothesis(Cause.POLICY_MISCONFIGURATION, name, len(present) / len(expected), pairs, reason)


def _has_failing_neighbour(case: DiagnosisCase, component: str) -> bool:
    return any(case.symptoms.get(name, frozenset()) & FAILURE_METRICS for name in case.topology.neighbours(component))


_CAUSE_RULES: tuple[Callable[[DiagnosisCase], Iterator[CauseHypothesis]], ...] = (
    _explain_dead_members,
    _explain_cascades,
    _explain_slow_committee,
    _explain_single_component,
)
