"""The quick check of a cycle: one instant, and only the values in the answer to the pre-filter.

A violation of the full judgement is never healthy here: the pre-filter's answer holds every value beyond the nearer
limit, and a value between the two limits is a suspect.
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
"""Violations or blind spots that a headline names."""


@dataclass(frozen=True)
class InstantReading:
    """The answers of the remotes at `at` (unix seconds).

    `prefilter` and `coverage` are the answers to the two queries. `findings` and `committee` are Charter's, None if not
    read. A remote that cannot be read has its blind spot in `blind`. `limits` are the adaptive limits in the pre-filter
    query, None if there are none yet.
    """

    at: float
    prefilter: tuple[Sample, ...] = ()
    coverage: tuple[Sample, ...] = ()
    findings: tuple[CharterFinding, ...] = ()
    committee: Committee | None = None
    blind: tuple[BlindSpot, ...] = ()
    limits: AdaptiveLimits | None = None


def observe(reading: InstantReading, rules: Sequence[MetricRule], components: Iterable[str]) -> Observation:
    """Return the observation; `components` are the configured ones, to which the committee's members are added."""
    values = _group_by_key(reading.prefilter)
    visibility = _build_visibility(reading, rules, {*components, *member_names(reading.committee)}, values)
    reported = reported_violations(reading.findings, reading.committee, reading.at)
    spots = {
        name: visible.blind_spots(name, any(key[0] == name for key in reported)) for name, visible in visibility.items()
    }
    trusted = {key: samples[0] for key, samples in values.items() if spots.get(key[0]) == ()}
    violations, suspects = _find_violations(trusted, rules, reported, reading)
    blind = (*reading.blind, *committee_blind_spots(reading.committee), *(s for name in spots for s in spots[name]))
    return Observation(
        headline=_format_headline(violations, suspects, blind, f"{len(rules)} rules on {len(visibility)} components"),
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
    unlabelled = {UNLABELLED} & {component for component, _ in values}
    visibility = visibility_from_coverage(reading.coverage, rules, required | unlabelled)
    return {
        name: replace(
            visible,
            non_finite={m: samples[0] for (c, m), samples in values.items() if c == name and not _all_finite(samples)},
            conflicting=tuple(
                sorted(m for (c, m), samples in values.items() if c == name and len(set(map(str, samples))) > 1)
            ),
        )
        for name, visible in visibility.items()
    }


def _all_finite(values: Iterable[float]) -> bool:
    return all(map(math.isfinite, values))


def _find_violations(
    trusted_values: Mapping[MetricKey, float],
    rules: Sequence[MetricRule],
    reported: Mapping[MetricKey, Violation],
    reading: InstantReading,
) -> tuple[tuple[Violation, ...], int]:
    """Return the violations, the most severe first, and the number of values between the limits of their rule."""
    by_metric = {rule.metric: rule for rule in rules}
    limits = limits_by_key(reading.limits)
    violations, suspects = dict(reported), 0
    for (component, metric), value in trusted_values.items():
        rule = by_metric[metric]
        if rule.adaptive:
            rule = to_absolute_rule(rule, limits.get((component, metric)), value)
        if rule.is_breached(value, rule.threshold):
            violation = make_violation(component, rule, value, reading.at)
            violations[component, metric] = merge_sources(violation, reported.get((component, metric)))
        elif rule.is_breached(value, rule.clear_threshold) and (component, metric) not in reported:
            suspects += 1
    return sort_by_severity(list(violations.values())), suspects


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
