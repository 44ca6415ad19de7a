"""The quick check of a cycle: one instant, and only what the pre-filter let through.

It never calls healthy what the judgement over the past would call violated: the pre-filter passes everything beyond
the nearer limit, and what lies between the two limits is reported as a suspect.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from activities.model.baseline import AdaptiveLimits
from activities.model.blindspot import BlindSpot
from activities.model.charter import CharterFinding, Committee
from activities.model.observation import MAX_SHOWN_ENTRIES, Observation
from activities.model.rule import MetricRule
from activities.model.timeseries import Sample
from activities.model.types import MetricKey
from activities.model.violation import Violation, sort_by_severity
from activities.monitor.adaptive_limits import limits_by_key, to_absolute_rule
from activities.monitor.charter_findings import committee_blind_spots, member_names, reported_violations
from activities.monitor.judgement import make_violation, merge_sources
from activities.monitor.queries import UNLABELLED, component_of
from activities.monitor.visibility import PROMETHEUS, REMOTES, Visibility, visibility_from_coverage

MAX_NAMED = 3
"""How many violations or blind spots a headline names."""


@dataclass(frozen=True)
class InstantReading:
    """What the remotes answered at `at` (unix seconds).

    `prefilter` and `coverage` are the answers to the two queries, `findings` and `committee` Charter's (None: not
    read). A remote that could not be read has its blind spot in `blind`. `limits` are the adaptive limits the
    pre-filter was made with (None: there are none yet).
    """

    at: float
    prefilter: tuple[Sample, ...] = ()
    coverage: tuple[Sample, ...] = ()
    findings: tuple[CharterFinding, ...] = ()
    committee: Committee | None = None
    blind: tuple[BlindSpot, ...] = ()
    limits: AdaptiveLimits | None = None


def observe(reading: InstantReading, rules: Sequence[MetricRule], components: Iterable[str]) -> Observation:
    """Return what the instant shows; `components` are the configured ones, members are added from the committee."""
    values = _group_by_key(reading.prefilter)
    sights = _build_visibility(reading, rules, {*components, *member_names(reading.committee)}, values)
    reports = reported_violations(reading.findings, reading.committee, reading.at)
    spots = {name: sight.blind_spots(name, any(key[0] == name for key in reports)) for name, sight in sights.items()}
    believed = {key: found[0] for key, found in values.items() if spots.get(key[0]) == ()}
    violations, suspects = _find_violations(believed, rules, reports, reading)
    blind = (*reading.blind, *committee_blind_spots(reading.committee), *(s for name in spots for s in spots[name]))
    return Observation(
        headline=_format_headline(violations, suspects, blind, f"{len(rules)} rules on {len(sights)} components"),
        at=reading.at,
        violations=violations[:MAX_SHOWN_ENTRIES],
        violation_count=len(violations),
        suspects=suspects,
        blind=blind[:MAX_SHOWN_ENTRIES],
        blind_count=len(blind),
        blind_remote=any(spot.component in REMOTES for spot in blind),
    )


def _group_by_key(samples: Iterable[Sample]) -> dict[MetricKey, list[float]]:
    values: dict[MetricKey, list[float]] = defaultdict(list)
    for sample in samples:
        values[component_of(sample.labels), sample.labels.get("rule", "")].append(sample.value)
    return values


def _build_visibility(
    reading: InstantReading, rules: Sequence[MetricRule], required: set[str], values: Mapping[MetricKey, list[float]]
) -> dict[str, Visibility]:
    if any(spot.component == PROMETHEUS for spot in reading.blind):
        return {}
    unnamed = {UNLABELLED} & {component for component, _ in values}
    sights = visibility_from_coverage(reading.coverage, rules, required | unnamed)
    return {
        name: replace(
            sight,
            non_finite={m: found[0] for (c, m), found in values.items() if c == name and not _all_finite(found)},
            conflicting=tuple(
                sorted(m for (c, m), found in values.items() if c == name and len(set(map(str, found))) > 1)
            ),
        )
        for name, sight in sights.items()
    }


def _all_finite(values: Iterable[float]) -> bool:
    return all(map(math.isfinite, values))


def _find_violations(
    trusted_values: Mapping[MetricKey, float],
    rules: Sequence[MetricRule],
    reports: Mapping[MetricKey, Violation],
    reading: InstantReading,
) -> tuple[tuple[Violation, ...], int]:
    """Return the violations, the worst first, and the number of values between the two limits of their rule."""
    by_metric = {rule.metric: rule for rule in rules}
    limits = limits_by_key(reading.limits)
    found, suspects = dict(reports), 0
    for (component, metric), value in trusted_values.items():
        rule = by_metric[metric]
        if rule.adaptive:
            rule = to_absolute_rule(rule, limits.get((component, metric)), value)
        if rule.is_breached(value, rule.threshold):
            violation = make_violation(component, rule, value, reading.at)
            found[component, metric] = merge_sources(violation, reports.get((component, metric)))
        elif rule.is_breached(value, rule.clear_threshold) and (component, metric) not in reports:
            suspects += 1
    return sort_by_severity(list(found.values())), suspects


def _format_headline(violations: Sequence[Violation], suspects: int, blind: Sequence[BlindSpot], scope: str) -> str:
    parts = []
    if violations:
        parts.append(f"{_pluralize(len(violations), 'violation')}: {_join_first([v.summary for v in violations])}")
    if suspects:
        parts.append(f"{_pluralize(suspects, 'value')} between the limits")
    if blind:
        parts.append(f"blind: {_join_first([spot.summary for spot in blind])}")
    return "; ".join(parts) or f"healthy: {scope}"


def _join_first(summaries: Sequence[str]) -> str:
    rest = len(summaries) - MAX_NAMED
    return ", ".join(summaries[:MAX_NAMED]) + (f", +{rest} more" if rest > 0 else "")


def _pluralize(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
