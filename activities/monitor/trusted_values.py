"""What of an analysis input can be believed: values at instants where the component has no blind spot."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from activities.model.blindspot import BlindSpot
from activities.model.grid_series import Series
from activities.model.snapshot import AnalysisInput
from activities.monitor.call_edges import ends_of
from activities.monitor.charter_findings import member_names, reported_violations
from activities.monitor.queries import MOVING, UNNAMED, steady_signals
from activities.monitor.visibility import PROMETHEUS, Sight, seen

Key = tuple[str, str]
"""(component, metric)."""

Spots = tuple[BlindSpot, ...] | None
"""Blind spots of a component at an instant; None if it is no known component there."""


@dataclass(frozen=True)
class View:
    """`values` holds the believed values over the grid by (component, metric), `blind_now` the last blind spots."""

    values: Mapping[Key, tuple[float | None, ...]]
    blind_now: tuple[BlindSpot, ...]


class Line(NamedTuple):
    """One (component, metric) over the grid, as told.

    `values[i]` is None without a sample at instant i. `odd` maps the instants that cannot be believed to a NaN or
    infinity, or to None where several different values were told.
    """

    values: tuple[float | None, ...]
    odd: Mapping[int, float | None]


def view_of(source: AnalysisInput) -> View:
    """Return what of the input can be believed.

    Known components are the required ones (configured, and members of the committee), and any other while one of its
    steady signals is there: the rates of a member that left linger for a window and mean nothing. If Prometheus as a
    whole could not be read, that one blind spot is told, not one for each component.
    """
    if any(spot.component == PROMETHEUS for spot in source.blind):
        return View({}, ())
    told = _told(source)
    spots = _spots(source, told)
    seen_well = {name: not any(found != () for found in line) for name, line in spots.items()}
    values = {
        key: line.values
        if seen_well[key[0]]
        else tuple(value if at == () else None for value, at in zip(line.values, spots[key[0]], strict=True))
        for key, line in told.items()
        if key[0] in spots
    }
    return View(values, tuple(spot for name in sorted(spots) for spot in spots[name][-1] or ()))


def _told(source: AnalysisInput) -> dict[Key, Line]:
    """Return what was told of each (component, metric) with a rule."""
    ruled = {rule.metric for rule in source.rules}
    told: dict[Key, list[tuple[float | None, ...]]] = defaultdict(list)
    for series in source.series:
        if series.metric in ruled:
            told[series.component, series.metric].append(series.values)
    return {key: _line(variants) for key, variants in told.items()}


def _line(variants: Sequence[tuple[float | None, ...]]) -> Line:
    values = variants[0]
    if len(variants) == 1 and None not in values and all(map(math.isfinite, values)):  # type: ignore[arg-type]  # no None
        return Line(values, {})
    odd: dict[int, float | None] = {
        i: value for i, value in enumerate(values) if value is not None and not math.isfinite(value)
    }
    if len(variants) == 1:
        return Line(values, odd)
    merged: list[float | None] = []
    for i, found in enumerate(zip(*variants, strict=True)):
        # As text, because NaN is not equal to itself.
        different = {str(value): value for value in found if value is not None}
        merged.append(next(iter(different.values()), None))
        if len(different) > 1:
            unreadable = [value for value in different.values() if not math.isfinite(value)]
            odd[i] = unreadable[0] if unreadable else None
    return Line(tuple(merged), odd)


def _spots(source: AnalysisInput, told: Mapping[Key, Line]) -> dict[str, list[Spots]]:
    ages: dict[str, dict[str, Series]] = defaultdict(dict)
    for series in source.freshness:
        ages[series.component][series.metric] = series
    lines: dict[str, dict[str, Line]] = defaultdict(dict)
    for (component, metric), line in told.items():
        lines[component][metric] = line
    required = {*source.components, *member_names(source.committee), *({UNNAMED} & lines.keys())}
    steady = steady_signals(source.rules)
    reported = [_reported(source, instant) for instant in source.grid]
    spots: dict[str, list[Spots]] = {}
    for name in sorted({*required, *ages}):
        odd = {i for line in lines[name].values() for i in line.odd}
        fine = _fine(ages[name], steady, source.max_age, len(source.grid))
        spots[name] = [
            ()
            if fine[i] and i not in odd
            else _sight(ages[name], lines[name], steady, source.max_age, i).blind_spots(name, name in reported[i])
            if name in required or _present(ages[name], steady, i)
            else None
            for i in range(len(source.grid))
        ]
    for name in lines.keys() - spots.keys():
        ends = ends_of(name)
        if ends is not None:
            spots[name] = [_edge(lines[name], [spots.get(end) for end in ends], i) for i in range(len(source.grid))]
    return spots


def _edge(lines: Mapping[str, Line], ends: Iterable[Sequence[Spots] | None], index: int) -> Spots:
    """Return () where the metrics of a call edge are believed, None where they or one of its ends cannot be.

    A call has no counter that shows it alive; whoever measures it has.
    """
    if any(end is not None and end[index] for end in ends):
        return None
    return () if not any(index in line.odd for line in lines.values()) else None


def _fine(ages: Mapping[str, Series], steady: Sequence[str], max_age: float, count: int) -> list[bool]:
    """Return at which instants all is well: every steady signal fresh, nothing stale, and the counters move."""
    if not all(signal in ages for signal in steady):
        return [False] * count
    fine = [True] * count
    for signal, series in ages.items():
        needed = signal in steady
        for i, age in enumerate(series.values):
            if signal == MOVING:
                fine[i] = fine[i] and age != 0
            elif needed if age is None else not abs(age) <= max_age:
                fine[i] = False
    return fine


def _present(ages: Mapping[str, Series], signals: Sequence[str], index: int) -> bool:
    return any(signal in ages and ages[signal].values[index] is not None for signal in signals)


def _sight(
    ages: Mapping[str, Series], lines: Mapping[str, Line], steady: Sequence[str], max_age: float, index: int
) -> Sight:
    """Return what is wrong with the view of one component at the instant with that index."""
    present = {signal: age for signal, series in ages.items() if (age := series.values[index]) is not None}
    changes = present.pop(MOVING, None)
    odd = {metric: line.odd[index] for metric, line in lines.items() if index in line.odd}
    return replace(
        seen(present, changes, steady, max_age),
        unreadable={metric: value for metric, value in odd.items() if value is not None},
        disputed=tuple(sorted(metric for metric, value in odd.items() if value is None)),
    )


def _reported(source: AnalysisInput, instant: float) -> frozenset[str]:
    """Return the components Charter reports something about; the committee's state is only known at the end."""
    committee = source.committee if instant == source.at else None
    return frozenset(component for component, _ in reported_violations(source.findings, committee, instant))
