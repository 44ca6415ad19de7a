"""What of an analysis input can be believed: values at instants where the component has no blind spot."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from activities.model.blindspot import BlindSpot
from activities.model.grid_series import Series
from activities.model.snapshot import AnalysisInput
from activities.model.types import MetricKey
from activities.monitor.call_edges import parse_call_edge
from activities.monitor.charter_findings import member_names, reported_violations
from activities.monitor.queries import COUNTER_MOVING, UNLABELLED, required_signals
from activities.monitor.visibility import PROMETHEUS, Visibility, visibility_of

BlindSpots = tuple[BlindSpot, ...] | None
"""Blind spots of a component at an instant; None if it is no known component there."""


@dataclass(frozen=True)
class TrustedValues:
    """`values` holds the believed values over the grid by (component, metric), `blind_now` the last blind spots."""

    values: Mapping[MetricKey, tuple[float | None, ...]]
    current_blind_spots: tuple[BlindSpot, ...]


class ObservedSeries(NamedTuple):
    """One (component, metric) over the grid, as told.

    `values[i]` is None without a sample at instant i. `odd` maps the instants that cannot be believed to a NaN or
    infinity, or to None where several different values were told.
    """

    values: tuple[float | None, ...]
    untrusted_at: Mapping[int, float | None]


def trusted_values(analysis_input: AnalysisInput) -> TrustedValues:
    """Return what of the input can be believed.

    Known components are the required ones (configured, and members of the committee), and any other while one of its
    steady signals is there: the rates of a member that left linger for a window and mean nothing. If Prometheus as a
    whole could not be read, that one blind spot is told, not one for each component.
    """
    if any(spot.component == PROMETHEUS for spot in analysis_input.blind):
        return TrustedValues({}, ())
    told = _collect_series(analysis_input)
    spots = _find_blind_spots(analysis_input, told)
    seen_well = {name: not any(found != () for found in line) for name, line in spots.items()}
    values = {
        key: line.values
        if seen_well[key[0]]
        else tuple(value if at == () else None for value, at in zip(line.values, spots[key[0]], strict=True))
        for key, line in told.items()
        if key[0] in spots
    }
    return TrustedValues(values, tuple(spot for name in sorted(spots) for spot in spots[name][-1] or ()))


def _collect_series(analysis_input: AnalysisInput) -> dict[MetricKey, ObservedSeries]:
    """Return what was told of each (component, metric) with a rule."""
    ruled = {rule.metric for rule in analysis_input.rules}
    told: dict[MetricKey, list[tuple[float | None, ...]]] = defaultdict(list)
    for series in analysis_input.series:
        if series.metric in ruled:
            told[series.component, series.metric].append(series.values)
    return {key: _merge_variants(variants) for key, variants in told.items()}


def _merge_variants(variants: Sequence[tuple[float | None, ...]]) -> ObservedSeries:
    values = variants[0]
    if len(variants) == 1 and None not in values and all(map(math.isfinite, values)):  # type: ignore[arg-type]  # no None
        return ObservedSeries(values, {})
    odd: dict[int, float | None] = {
        i: value for i, value in enumerate(values) if value is not None and not math.isfinite(value)
    }
    if len(variants) == 1:
        return ObservedSeries(values, odd)
    merged: list[float | None] = []
    for i, found in enumerate(zip(*variants, strict=True)):
        # As text, because NaN is not equal to itself.
        different = {str(value): value for value in found if value is not None}
        merged.append(next(iter(different.values()), None))
        if len(different) > 1:
            unreadable = [value for value in different.values() if not math.isfinite(value)]
            odd[i] = unreadable[0] if unreadable else None
    return ObservedSeries(tuple(merged), odd)


def _find_blind_spots(
    analysis_input: AnalysisInput, observed: Mapping[MetricKey, ObservedSeries]
) -> dict[str, list[BlindSpots]]:
    ages: dict[str, dict[str, Series]] = defaultdict(dict)
    for series in analysis_input.freshness:
        ages[series.component][series.metric] = series
    lines: dict[str, dict[str, ObservedSeries]] = defaultdict(dict)
    for (component, metric), line in observed.items():
        lines[component][metric] = line
    required = {*analysis_input.components, *member_names(analysis_input.committee), *({UNLABELLED} & lines.keys())}
    steady = required_signals(analysis_input.rules)
    reported = [_reported_components(analysis_input, instant) for instant in analysis_input.grid]
    spots: dict[str, list[BlindSpots]] = {}
    for name in sorted({*required, *ages}):
        odd = {i for line in lines[name].values() for i in line.untrusted_at}
        fine = _healthy_instants(ages[name], steady, analysis_input.max_age, len(analysis_input.grid))
        spots[name] = [
            ()
            if fine[i] and i not in odd
            else _visibility_at(ages[name], lines[name], steady, analysis_input.max_age, i).blind_spots(
                name, name in reported[i]
            )
            if name in required or _is_present(ages[name], steady, i)
            else None
            for i in range(len(analysis_input.grid))
        ]
    for name in lines.keys() - spots.keys():
        ends = parse_call_edge(name)
        if ends is not None:
            spots[name] = [
                _edge_blind_spots(lines[name], [spots.get(end) for end in ends], i)
                for i in range(len(analysis_input.grid))
            ]
    return spots


def _edge_blind_spots(
    observed: Mapping[str, ObservedSeries], endpoint_spots: Iterable[Sequence[BlindSpots] | None], index: int
) -> BlindSpots:
    """Return () where the metrics of a call edge are believed, None where they or one of its ends cannot be.

    A call has no counter that shows it alive; whoever measures it has.
    """
    if any(end is not None and end[index] for end in endpoint_spots):
        return None
    return () if not any(index in line.untrusted_at for line in observed.values()) else None


def _healthy_instants(ages: Mapping[str, Series], signals: Sequence[str], max_age: float, count: int) -> list[bool]:
    """Return at which instants all is well: every steady signal fresh, nothing stale, and the counters move."""
    if not all(signal in ages for signal in signals):
        return [False] * count
    fine = [True] * count
    for signal, series in ages.items():
        needed = signal in signals
        for i, age in enumerate(series.values):
            if signal == COUNTER_MOVING:
                fine[i] = fine[i] and age != 0
            elif needed if age is None else not abs(age) <= max_age:
                fine[i] = False
    return fine


def _is_present(ages: Mapping[str, Series], signals: Sequence[str], index: int) -> bool:
    return any(signal in ages and ages[signal].values[index] is not None for signal in signals)


def _visibility_at(
    ages: Mapping[str, Series],
    observed: Mapping[str, ObservedSeries],
    signals: Sequence[str],
    max_age: float,
    index: int,
) -> Visibility:
    """Return what is wrong with the view of one component at the instant with that index."""
    present = {signal: age for signal, series in ages.items() if (age := series.values[index]) is not None}
    changes = present.pop(COUNTER_MOVING, None)
    odd = {metric: line.untrusted_at[index] for metric, line in observed.items() if index in line.untrusted_at}
    return replace(
        visibility_of(present, changes, signals, max_age),
        non_finite={metric: value for metric, value in odd.items() if value is not None},
        conflicting=tuple(sorted(metric for metric, value in odd.items() if value is None)),
    )


def _reported_components(analysis_input: AnalysisInput, instant: float) -> frozenset[str]:
    """Return the components Charter reports something about; the committee's state is only known at the end."""
    committee = analysis_input.committee if instant == analysis_input.at else None
    return frozenset(component for component, _ in reported_violations(analysis_input.findings, committee, instant))
