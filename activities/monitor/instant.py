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
from activities.model.observation import SHOWN, Observation
from activities.model.rule import MetricRule
from activities.model.timeseries import Sample
from activities.model.violation import Violation, worst_first
from activities.monitor.adaptive_limits import absolute, by_key
from activities.monitor.charter_findings import doubted_committee, member_names, reported_violations
from activities.monitor.judgement import merged, violated
from activities.monitor.queries import UNNAMED, component_of
from activities.monitor.trusted_values import Key
from activities.monitor.visibility import PROMETHEUS, REMOTES, Sight, coverage_sights

NAMED = 3
"""How many violations or blind spots a headline names."""


@dataclass(frozen=True)
class Reading:
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


def observe(reading: Reading, rules: Sequence[MetricRule], components: Iterable[str]) -> Observation:
    """Return what the instant shows; `components` are the configured ones, members are added from the committee."""
    values = _by_key(reading.prefilter)
    sights = _sights(reading, rules, {*components, *member_names(reading.committee)}, values)
    reports = reported_violations(reading.findings, reading.committee, reading.at)
    spots = {name: sight.blind_spots(name, any(key[0] == name for key in reports)) for name, sight in sights.items()}
    believed = {key: found[0] for key, found in values.items() if spots.get(key[0]) == ()}
    violations, suspects = _judged(believed, rules, reports, reading)
    blind = (*reading.blind, *doubted_committee(reading.committee), *(s for name in spots for s in spots[name]))
    return Observation(
        headline=_headline(violations, suspects, blind, f"{len(rules)} rules on {len(sights)} components"),
        at=reading.at,
        violations=violations[:SHOWN],
        violation_count=len(violations),
        suspects=suspects,
        blind=blind[:SHOWN],
        blind_count=len(blind),
        blind_remote=any(spot.component in REMOTES for spot in blind),
    )


def _by_key(samples: Iterable[Sample]) -> dict[Key, list[float]]:
    values: dict[Key, list[float]] = defaultdict(list)
    for sample in samples:
        values[component_of(sample.labels), sample.labels.get("rule", "")].append(sample.value)
    return values


def _sights(
    reading: Reading, rules: Sequence[MetricRule], required: set[str], values: Mapping[Key, list[float]]
) -> dict[str, Sight]:
    if any(spot.component == PROMETHEUS for spot in reading.blind):
        return {}
    unnamed = {UNNAMED} & {component for component, _ in values}
    sights = coverage_sights(reading.coverage, rules, required | unnamed)
    return {
        name: replace(
            sight,
            unreadable={m: found[0] for (c, m), found in values.items() if c == name and not _finite(found)},
            disputed=tuple(
                sorted(m for (c, m), found in values.items() if c == name and len(set(map(str, found))) > 1)
            ),
        )
        for name, sight in sights.items()
    }


def _finite(values: Iterable[float]) -> bool:
    return all(map(math.isfinite, values))


def _judged(
    believed: Mapping[Key, float], rules: Sequence[MetricRule], reports: Mapping[Key, Violation], reading: Reading
) -> tuple[tuple[Violation, ...], int]:
    """Return the violations, the worst first, and the number of values between the two limits of their rule."""
    by_metric = {rule.metric: rule for rule in rules}
    limits = by_key(reading.limits)
    found, suspects = dict(reports), 0
    for (component, metric), value in believed.items():
        rule = by_metric[metric]
        if rule.adaptive:
            rule = absolute(rule, limits.get((component, metric)), value)
        if rule.beyond(value, rule.enter):
            violation = violated(component, rule, value, reading.at)
            found[component, metric] = merged(violation, reports.get((component, metric)))
        elif rule.beyond(value, rule.leave) and (component, metric) not in reports:
            suspects += 1
    return worst_first(list(found.values())), suspects


def _headline(violations: Sequence[Violation], suspects: int, blind: Sequence[BlindSpot], scope: str) -> str:
    parts = []
    if violations:
        parts.append(f"{_plural(len(violations), 'violation')}: {_first([v.text for v in violations])}")
    if suspects:
        parts.append(f"{_plural(suspects, 'value')} between the limits")
    if blind:
        parts.append(f"blind: {_first([spot.text for spot in blind])}")
    return "; ".join(parts) or f"healthy: {scope}"


def _first(texts: Sequence[str]) -> str:
    rest = len(texts) - NAMED
    return ", ".join(texts[:NAMED]) + (f", +{rest} more" if rest > 0 else "")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
