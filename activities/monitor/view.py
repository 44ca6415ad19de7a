"""What of an analysis input can be believed: values at instants where the component has no blind spot."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from activities.model.blindspot import BlindSpot
from activities.model.series import Series
from activities.model.snapshot import AnalysisInput
from activities.monitor.queries import MOVING, UNNAMED
from activities.monitor.reports import is_open, member_names, reported_violations
from activities.monitor.sight import PROMETHEUS, seen

Key = tuple[str, str]
"""(component, metric)."""

Spots = tuple[BlindSpot, ...] | None
"""Blind spots of a component at an instant; None if it is no known component there."""


@dataclass(frozen=True)
class View:
    """`values` holds the believed values over the grid by (component, metric), `blind_now` the last blind spots."""

    values: Mapping[Key, tuple[float | None, ...]]
    blind_now: tuple[BlindSpot, ...]


def view_of(source: AnalysisInput) -> View:
    """Return what of the input can be believed.

    Known components are the required ones (configured, and members of the committee), and any other while one of
    its signals is there: the rates of a member that left linger for a window and mean nothing. If Prometheus as a
    whole could not be read, that one blind spot is told, not one for each component.
    """
    if any(spot.component == PROMETHEUS for spot in source.blind):
        return View({}, ())
    variants = _variants(source)
    spots = _spots(source, variants)
    values = {
        key: tuple(found[0] if found and at == () else None for found, at in zip(line, spots[key[0]], strict=True))
        for key, line in variants.items()
        if key[0] in spots
    }
    return View(values, tuple(spot for name in sorted(spots) for spot in spots[name][-1] or ()))


def _variants(source: AnalysisInput) -> dict[Key, list[list[float]]]:
    """Return the different values at each instant, by (component, metric) with a rule."""
    ruled = {rule.metric for rule in source.rules}
    variants: dict[Key, list[list[float]]] = {}
    for series in source.series:
        if series.metric not in ruled:
            continue
        line = variants.setdefault((series.component, series.metric), [[] for _ in source.grid])
        for found, value in zip(line, series.values, strict=True):
            # As text, because NaN is not equal to itself.
            if value is not None and str(value) not in map(str, found):
                found.append(value)
    return variants


def _spots(source: AnalysisInput, variants: Mapping[Key, list[list[float]]]) -> dict[str, list[Spots]]:
    ages: dict[str, list[Series]] = defaultdict(list)
    for series in source.freshness:
        ages[series.component].append(series)
    by_component: dict[str, dict[str, list[list[float]]]] = defaultdict(dict)
    for (component, metric), line in variants.items():
        by_component[component][metric] = line
    unnamed = {UNNAMED} & by_component.keys()
    required = {*source.components, *member_names(source.committee), *unnamed}
    return {
        name: [
            _spots_at(source, index, name, ages[name], by_component[name])
            if name in required or any(series.values[index] is not None for series in ages[name])
            else None
            for index in range(len(source.grid))
        ]
        for name in sorted({*required, *ages})
    }


def _spots_at(
    source: AnalysisInput, index: int, name: str, signals: Sequence[Series], lines: Mapping[str, list[list[float]]]
) -> tuple[BlindSpot, ...]:
    ages = {s.metric: age for s in signals if (age := s.values[index]) is not None}
    changes = ages.pop(MOVING, None)
    found = {metric: line[index] for metric, line in lines.items() if line[index]}
    sight = replace(
        seen(ages, changes, source.rules, source.max_age),
        unreadable={metric: values[0] for metric, values in found.items() if not all(map(math.isfinite, values))},
        disputed=tuple(sorted(metric for metric, values in found.items() if len(values) > 1)),
    )
    return sight.blind_spots(name, _reported(source, name, source.grid[index]))


def _reported(source: AnalysisInput, name: str, instant: float) -> bool:
    if instant == source.at:
        return any(key[0] == name for key in reported_violations(source.findings, source.committee, instant))
    return any(finding.component == name and is_open(finding, instant) for finding in source.findings)
