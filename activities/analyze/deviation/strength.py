"""How far each component deviates from its baseline, over all its metrics and call edges.

The strength of a series is √r × the smallest of its last r deviations. One far value and several nearer values in a row
are equally strong evidence; a single spike among r samples is none. r is the number of samples in `HOLD_SECONDS`, at
most three.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from activities.model.topology import Topology
from activities.monitor.call_edges import parse_call_edge
from activities.monitor.judgement import Judgement, MetricTrack

HOLD_SECONDS = 150.0
"""Seconds that a deviation must last."""
MAX_SAMPLES = 3
"""Samples in a row that suffice at any scrape interval."""
STRONG_THRESHOLD = 6.0
"""Strength above which a component is certain to deviate: three samples at 3.5 spreads, or one at 6."""
WEAK_THRESHOLD = 3.0
"""Strength above which a component may be affected by another one."""
_GAIN_PER_EDGE = 0.1
"""Added to the factor of the median strength for each call edge: more edges are stronger evidence."""


@dataclass(frozen=True)
class DeviatingComponent:
    """One component: its `strength`, its strength over twice the samples, and the track that deviates most.

    `samples_held` counts the latest samples in a row, at most `MAX_SAMPLES`, that deviate by more than
    `WEAK_THRESHOLD` spreads.
    """

    component: str
    strength: float
    sustained_strength: float
    samples_held: int
    track: MetricTrack


def required_samples(step: float) -> int:
    """Return r for samples `step` seconds apart."""
    return max(1, min(MAX_SAMPLES, math.ceil(HOLD_SECONDS / step)))


def compute_strength(deviations: Sequence[float | None], sample_count: int, weight: float) -> float:
    """Return weight × the smallest of the last `sample_count` deviations, 0 with fewer samples or a negative one.

    Up to `sample_count` missing samples are skipped, so that one failed scrape does not end a deviation.
    """
    latest = [value for value in deviations[-2 * sample_count :] if value is not None][-sample_count:]
    return max(0.0, weight * min(latest)) if len(latest) == sample_count and deviations[-1] is not None else 0.0


def find_deviating_components(judgement: Judgement) -> dict[str, DeviatingComponent]:
    """Return every component with an adaptive metric or call edge, by name.

    A call edge `caller->callee` is evidence for both ends; an end has the median strength of its edges.
    """
    sample_count = required_samples(judgement.step)
    components: dict[str, DeviatingComponent] = {}
    edges: dict[str, list[DeviatingComponent]] = defaultdict(list)
    for track in judgement.tracks:
        if not track.adaptive:
            continue
        deviation = _build_deviating_component(track, sample_count)
        ends = parse_call_edge(track.component)
        for name in ends or ():
            edges[name].append(deviation)
        if ends is None:
            _keep_stronger(components, deviation)
    for name, deviations in edges.items():
        _keep_stronger(components, _combine_edges(name, deviations))
    return components


def find_leaf_components(components: Iterable[str], topology: Topology, endpoints: frozenset[str]) -> frozenset[str]:
    """Return the components that only their caller measures: no callees, one caller, no call edge of their own."""
    callers, callees = call_graph(topology)
    return frozenset(
        c for c in components if not callees.get(c) and len(callers.get(c, ())) == 1 and c not in endpoints
    )


def call_graph(topology: Topology) -> tuple[Mapping[str, set[str]], Mapping[str, set[str]]]:
    """Return callers and callees by component; a component that calls itself is left out."""
    callers: dict[str, set[str]] = defaultdict(set)
    callees: dict[str, set[str]] = defaultdict(set)
    for caller, callee in topology.edges:
        if caller != callee:
            callers[callee].add(caller)
            callees[caller].add(callee)
    return callers, callees


def edge_endpoints(judgement: Judgement) -> frozenset[str]:
    """Return the components at the ends of call edges."""
    return frozenset(name for track in judgement.tracks for name in parse_call_edge(track.component) or ())


def _keep_stronger(components: dict[str, DeviatingComponent], deviation: DeviatingComponent) -> None:
    known = components.get(deviation.component)
    if known is None or deviation.strength > known.strength:
        components[deviation.component] = deviation


def _build_deviating_component(track: MetricTrack, sample_count: int) -> DeviatingComponent:
    weight = math.sqrt(sample_count)
    return DeviatingComponent(
        component=track.component,
        strength=compute_strength(track.deviations, sample_count, weight),
        sustained_strength=compute_strength(track.deviations, 2 * sample_count, weight),
        samples_held=_count_held_samples(track.deviations),
        track=track,
    )


def _count_held_samples(deviations: Sequence[float | None]) -> int:
    count = 0
    for value in reversed(deviations[-MAX_SAMPLES:]):
        if value is None or value <= WEAK_THRESHOLD:
            break
        count += 1
    return count


def _combine_edges(component: str, edges: Sequence[DeviatingComponent]) -> DeviatingComponent:
    factor = 1.0 + _GAIN_PER_EDGE * len(edges)
    strongest = max(edges, key=lambda edge: (edge.strength, edge.component))
    return DeviatingComponent(
        component=component,
        strength=factor * median(edge.strength for edge in edges),
        sustained_strength=factor * median(edge.sustained_strength for edge in edges),
        samples_held=strongest.samples_held,
        track=strongest.track,
    )
