"""What of an analysis input can be believed: values at instants where the component has no blind spot."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from activities.model.blindspot import BlindSpot
from activities.model.series import Series
from activities.model.snapshot import AnalysisInput
from activities.monitor.queries import MOVING, UNNAMED, steady_signals
from activities.monitor.reports import member_names, reported_violations
from activities.monitor.sight import PROMETHEUS, Sight, seen

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

    Known components are the required ones (configured, and members of the committee), and any other while one of its
    steady signals is there: the rates of a member that left linger for a window and mean nothing. If Prometheus as a
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
    ages: dict[str, dict[str, Series]] = defaultdict(dict)
    for series in source.freshness:
        ages[series.component][series.metric] = series
    lines: dict[str, dict[str, list[list[float]]]] = defaultdict(dict)
    for (component, metric), line in variants.items():
        lines[component][metric] = line
    required = {*source.components, *member_names(source.committee), *({UNNAMED} & lines.keys())}
    steady = steady_signals(source.rules)
    reported = [_reported(source, instant) for instant in source.grid]
    spots: dict[str, list[Spots]] = {}
    for name in sorted({*required, *ages}):
        known = [name in required or _present(ages[name], steady, i) for i in range(len(source.grid))]
        sights = [_sight(ages[name], lines[name], steady, source.max_age, i) for i in range(len(source.grid))]
        spots[name] = [
            sight.blind_spots(name, name in told) if here else None
            for here, sight, told in zip(known, sights, reported, strict=True)
        ]
    return spots


def _present(ages: Mapping[str, Series], signals: Sequence[str], index: int) -> bool:
    return any(signal in ages and ages[signal].values[index] is not None for signal in signals)


def _sight(
    ages: Mapping[str, Series],
    lines: Mapping[str, list[list[float]]],
    steady: Sequence[str],
    max_age: float,
    index: int,
) -> Sight:
    """Return what is wrong with the view of one component at the instant with that index."""
    present = {signal: age for signal, series in ages.items() if (age := series.values[index]) is not None}
    changes = present.pop(MOVING, None)
    found = {metric: line[index] for metric, line in lines.items()}
    return replace(
        seen(present, changes, steady, max_age),
        unreadable={metric: values[0] for metric, values in found.items() if not all(map(math.isfinite, values))},
        disputed=tuple(sorted(metric for metric, values in found.items() if len(values) > 1)),
    )


def _reported(source: AnalysisInput, instant: float) -> frozenset[str]:
    """Return the components Charter reports something about; the committee's state is only known at the end."""
    committee = source.committee if instant == source.at else None
    return frozenset(component for component, _ in reported_violations(source.findings, committee, instant))
