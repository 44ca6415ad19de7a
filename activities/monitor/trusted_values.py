"""The trusted values of an analysis input: those at instants where the component has no blind spot."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from activities.model.blindspot import BlindSpot
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import Series
from activities.model.types import MetricKey
from activities.monitor.call_edges import parse_call_edge
from activities.monitor.charter_findings import member_names, reported_violations
from activities.monitor.queries import COUNTER_MOVING, UNLABELLED, required_signals
from activities.monitor.visibility import PROMETHEUS, Visibility, visibility_of

BlindSpots = tuple[BlindSpot, ...] | None
"""Blind spots of a component at an instant, None if the component is unknown there."""


@dataclass(frozen=True)
class TrustedValues:
    """Trusted `values` over the grid by (component, metric), and the blind spots at the last instant."""

    values: Mapping[MetricKey, tuple[float | None, ...]]
    current_blind_spots: tuple[BlindSpot, ...]


class ObservedSeries(NamedTuple):
    """One (component, metric) over the grid, as answered.

    `values[i]` is None without a sample at instant i. `untrusted_at` maps instants to their NaN or infinity, or to
    None where the answer holds several different values.
    """

    values: tuple[float | None, ...]
    untrusted_at: Mapping[int, float | None]


def trusted_values(analysis_input: AnalysisInput) -> TrustedValues:
    """Return the trusted values of the input.

    Known components are the required ones (configured, and members of the committee), and any other with a required
    signal: the rates of a member that left remain for a window and have no meaning. A Prometheus that cannot be read
    is one blind spot, not one for each component.
    """
    if any(spot.component == PROMETHEUS for spot in analysis_input.blind):
        return TrustedValues({}, ())
    observed = _collect_series(analysis_input)
    spots = _find_blind_spots(analysis_input, observed)
    always_visible = {name: not any(at_instant != () for at_instant in line) for name, line in spots.items()}
    values = {
        key: line.values
        if always_visible[key[0]]
        else tuple(value if blind == () else None for value, blind in zip(line.values, spots[key[0]], strict=True))
        for key, line in observed.items()
        if key[0] in spots
    }
    return TrustedValues(values, tuple(spot for name in sorted(spots) for spot in spots[name][-1] or ()))


def _collect_series(analysis_input: AnalysisInput) -> dict[MetricKey, ObservedSeries]:
    """Return the series of each (component, metric) with a rule."""
    metrics = {rule.metric for rule in analysis_input.rules}
    variants: dict[MetricKey, list[tuple[float | None, ...]]] = defaultdict(list)
    for series in analysis_input.series:
        if series.metric in metrics:
            variants[series.component, series.metric].append(series.values)
    return {key: _merge_variants(lines) for key, lines in variants.items()}


def _merge_variants(variants: Sequence[tuple[float | None, ...]]) -> ObservedSeries:
    values = variants[0]
    if len(variants) == 1 and None not in values and all(map(math.isfinite, values)):  # type: ignore[arg-type]  # no None
        return ObservedSeries(values, {})
    untrusted: dict[int, float | None] = {
        i: value for i, value in enumerate(values) if value is not None and not math.isfinite(value)
    }
    if len(variants) == 1:
        return ObservedSeries(values, untrusted)
    merged: list[float | None] = []
    for i, samples in enumerate(zip(*variants, strict=True)):
        # Compared as text: NaN is not equal to itself.
        different = {str(value): value for value in samples if value is not None}
        merged.append(next(iter(different.values()), None))
        if len(different) > 1:
            non_finite = [value for value in different.values() if not math.isfinite(value)]
            untrusted[i] = non_finite[0] if non_finite else None
    return ObservedSeries(tuple(merged), untrusted)


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
    signals = required_signals(analysis_input.rules)
    reported = [_reported_components(analysis_input, instant) for instant in analysis_input.grid]
    spots: dict[str, list[BlindSpots]] = {}
    for name in sorted({*required, *ages}):
        untrusted = {i for line in lines[name].values() for i in line.untrusted_at}
        visible = _visible_instants(ages[name], signals, analysis_input.max_age, len(analysis_input.grid))
        spots[name] = [
            ()
            if visible[i] and i not in untrusted
            else _visibility_at(ages[name], lines[name], signals, analysis_input.max_age, i).blind_spots(
                name, name in reported[i]
            )
            if name in required or _is_present(ages[name], signals, i)
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
    """Return () where the metrics of a call edge are trusted, None where they or one of its ends are not.

    A call edge has no liveness counter of its own; those of its two components decide.
    """
    if any(end is not None and end[index] for end in endpoint_spots):
        return None
    return () if not any(index in line.untrusted_at for line in observed.values()) else None


def _visible_instants(ages: Mapping[str, Series], signals: Sequence[str], max_age: float, count: int) -> list[bool]:
    """Return for each instant whether every required signal is fresh, no signal is stale, and the counters move."""
    if not all(signal in ages for signal in signals):
        return [False] * count
    visible = [True] * count
    for signal, series in ages.items():
        is_required = signal in signals
        for i, age in enumerate(series.values):
            if signal == COUNTER_MOVING:
                visible[i] = visible[i] and age != 0
            elif is_required if age is None else not abs(age) <= max_age:
                visible[i] = False
    return visible


def _is_present(ages: Mapping[str, Series], signals: Sequence[str], index: int) -> bool:
    return any(signal in ages and ages[signal].values[index] is not None for signal in signals)


def _visibility_at(
    ages: Mapping[str, Series],
    observed: Mapping[str, ObservedSeries],
    signals: Sequence[str],
    max_age: float,
    index: int,
) -> Visibility:
    """Return the visibility of one component at the instant with that index."""
    present = {signal: age for signal, series in ages.items() if (age := series.values[index]) is not None}
    changes = present.pop(COUNTER_MOVING, None)
    untrusted = {metric: line.untrusted_at[index] for metric, line in observed.items() if index in line.untrusted_at}
    return replace(
        visibility_of(present, changes, signals, max_age),
        non_finite={metric: value for metric, value in untrusted.items() if value is not None},
        conflicting=tuple(sorted(metric for metric, value in untrusted.items() if value is None)),
    )


def _reported_components(analysis_input: AnalysisInput, instant: float) -> frozenset[str]:
    """Return the components with a finding; the committee's state is known only at the last instant."""
    committee = analysis_input.committee if instant == analysis_input.at else None
    return frozenset(component for component, _ in reported_violations(analysis_input.findings, committee, instant))
