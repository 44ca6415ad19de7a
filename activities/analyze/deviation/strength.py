"""How far each component has departed from its own past, over all its metrics and the calls it takes part in.

The strength of a series is √r × the least of its last r deviations: one far value and several nearer ones in a row are
equally strong evidence, and a single spike among r samples is none. r is how many samples `HOLD` seconds hold, at most
three: a sample over five minutes has held by itself what three samples a minute apart hold together.
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
"""Seconds a deviation has to last."""
MAX_SAMPLES = 3
"""Samples in a row that are enough at any scrape interval."""
STRONG_THRESHOLD = 6.0
"""Strength from which a component is believed to be in trouble: three samples at 3.5 spreads, or one at 6."""
WEAK_THRESHOLD = 3.0
"""Strength from which a component is taken to be part of somebody's trouble."""
_GAIN_PER_EDGE = 0.1
"""By how much each further call edge makes the median of a component's edges more telling."""


@dataclass(frozen=True)
class DeviatingComponent:
    """One component: its `strength`, that over twice the samples (`lasting`), and where it was seen most.

    `held` counts the latest samples in a row, at most `MOST`, in which that series was beyond `WEAK` deviations.
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
    """Return weight × the least of the last `samples` deviations, 0 if there are not that many or one is negative.

    A missing sample is passed over, so that one failed scrape does not end a trouble; more than `samples` of them do.
    """
    found = [one for one in deviations[-2 * sample_count :] if one is not None][-sample_count:]
    return max(0.0, weight * min(found)) if len(found) == sample_count and deviations[-1] is not None else 0.0


def find_deviating_components(judgement: Judgement) -> dict[str, DeviatingComponent]:
    """Return every component with an adaptive metric or call edge, by name.

    A call edge `caller->callee` speaks for both its ends, each of which is as strong as the median of its edges.
    """
    needed = required_samples(judgement.step)
    own: dict[str, DeviatingComponent] = {}
    edges: dict[str, list[DeviatingComponent]] = defaultdict(list)
    for track in judgement.tracks:
        if not track.adaptive:
            continue
        one = _build_deviating_component(track, needed)
        ends = parse_call_edge(track.component)
        for name in ends or ():
            edges[name].append(one)
        if ends is None and (one.component not in own or one.strength > own[one.component].strength):
            own[one.component] = one
    for name, found in edges.items():
        folded = _combine_edges(name, found)
        if name not in own or folded.strength > own[name].strength:
            own[name] = folded
    return own


def find_leaf_components(components: Iterable[str], topology: Topology, endpoints: frozenset[str]) -> frozenset[str]:
    """Return the components that only their one caller speaks for: no callees, one caller, no call edge of their own.

    What is known of such an end point is what its caller sees of it.
    """
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
    """Return the components some call edge speaks for."""
    return frozenset(name for track in judgement.tracks for name in parse_call_edge(track.component) or ())


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
    for one in reversed(deviations[-MAX_SAMPLES:]):
        if one is None or one <= WEAK_THRESHOLD:
            break
        count += 1
    return count


def _combine_edges(component: str, edges: Sequence[DeviatingComponent]) -> DeviatingComponent:
    factor = 1.0 + _GAIN_PER_EDGE * len(edges)
    loudest = max(edges, key=lambda edge: (edge.strength, edge.component))
    return DeviatingComponent(
        component=component,
        strength=factor * median(edge.strength for edge in edges),
        sustained_strength=factor * median(edge.sustained_strength for edge in edges),
        samples_held=loudest.samples_held,
        track=loudest.track,
    )
