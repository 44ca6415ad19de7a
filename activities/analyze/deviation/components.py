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
from activities.monitor.call_edges import ends_of
from activities.monitor.judgement import Judged, Track

HOLD = 150.0
"""Seconds a deviation has to last."""
MOST = 3
"""Samples in a row that are enough at any scrape interval."""
STRONG = 6.0
"""Strength from which a component is believed to be in trouble: three samples at 3.5 spreads, or one at 6."""
WEAK = 3.0
"""Strength from which a component is taken to be part of somebody's trouble."""
_PER_EDGE = 0.1
"""By how much each further call edge makes the median of a component's edges more telling."""


@dataclass(frozen=True)
class Deviant:
    """One component: its `strength`, that over twice the samples (`lasting`), and where it was seen most.

    `held` counts the latest samples in a row, at most `MOST`, in which that series was beyond `WEAK` deviations.
    """

    component: str
    strength: float
    lasting: float
    held: int
    track: Track


def samples_to_hold(step: float) -> int:
    """Return r for samples `step` seconds apart."""
    return max(1, min(MOST, math.ceil(HOLD / step)))


def strength(deviations: Sequence[float | None], samples: int, weight: float) -> float:
    """Return weight × the least of the last `samples` deviations, 0 if there are not that many or one is negative.

    A missing sample is passed over, so that one failed scrape does not end a trouble; more than `samples` of them do.
    """
    found = [one for one in deviations[-2 * samples :] if one is not None][-samples:]
    return max(0.0, weight * min(found)) if len(found) == samples and deviations[-1] is not None else 0.0


def deviants(judged: Judged) -> dict[str, Deviant]:
    """Return every component with an adaptive metric or call edge, by name.

    A call edge `caller->callee` speaks for both its ends, each of which is as strong as the median of its edges.
    """
    needed = samples_to_hold(judged.step)
    own: dict[str, Deviant] = {}
    edges: dict[str, list[Deviant]] = defaultdict(list)
    for track in judged.tracks:
        if not track.adaptive:
            continue
        one = _deviant(track, needed)
        ends = ends_of(track.component)
        for name in ends or ():
            edges[name].append(one)
        if ends is None and (one.component not in own or one.strength > own[one.component].strength):
            own[one.component] = one
    for name, found in edges.items():
        folded = _folded(name, found)
        if name not in own or folded.strength > own[name].strength:
            own[name] = folded
    return own


def passive(components: Iterable[str], topology: Topology, edged: frozenset[str]) -> frozenset[str]:
    """Return the components that only their one caller speaks for: no callees, one caller, no call edge of their own.

    What is known of such an end point is what its caller sees of it.
    """
    callers, callees = neighbourhood(topology)
    return frozenset(c for c in components if not callees.get(c) and len(callers.get(c, ())) == 1 and c not in edged)


def neighbourhood(topology: Topology) -> tuple[Mapping[str, set[str]], Mapping[str, set[str]]]:
    """Return callers and callees by component; a component that calls itself is left out."""
    callers: dict[str, set[str]] = defaultdict(set)
    callees: dict[str, set[str]] = defaultdict(set)
    for caller, callee in topology.edges:
        if caller != callee:
            callers[callee].add(caller)
            callees[caller].add(callee)
    return callers, callees


def ends_of_edges(judged: Judged) -> frozenset[str]:
    """Return the components some call edge speaks for."""
    return frozenset(name for track in judged.tracks for name in ends_of(track.component) or ())


def _deviant(track: Track, needed: int) -> Deviant:
    weight = math.sqrt(needed)
    return Deviant(
        component=track.component,
        strength=strength(track.deviations, needed, weight),
        lasting=strength(track.deviations, 2 * needed, weight),
        held=_held(track.deviations),
        track=track,
    )


def _held(deviations: Sequence[float | None]) -> int:
    count = 0
    for one in reversed(deviations[-MOST:]):
        if one is None or one <= WEAK:
            break
        count += 1
    return count


def _folded(component: str, edges: Sequence[Deviant]) -> Deviant:
    factor = 1.0 + _PER_EDGE * len(edges)
    loudest = max(edges, key=lambda edge: (edge.strength, edge.component))
    return Deviant(
        component=component,
        strength=factor * median(edge.strength for edge in edges),
        lasting=factor * median(edge.lasting for edge in edges),
        held=loudest.held,
        track=loudest.track,
    )
