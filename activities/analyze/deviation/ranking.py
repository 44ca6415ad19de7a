"""Root causes among components that deviate: first who deviates, then the call graph, then by how much.

A component is *explained* if one it calls deviates at least half as strongly: the callee's trouble travels up. It is
*doubted* if only its one caller speaks for it and another component that caller calls deviates too: then the caller
sees the same trouble twice. Where nothing deviates strongly, or only an end point that its one caller speaks for, the
answer is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from activities.analyze.causes.hypotheses import TIE_RATIO
from activities.analyze.deviation.strength import (
    STRONG_THRESHOLD,
    WEAK_THRESHOLD,
    DeviatingComponent,
    call_graph,
    edge_endpoints,
    find_deviating_components,
    find_leaf_components,
)
from activities.model.topology import Topology
from activities.monitor.judgement import Judgement

_MIN_EXPLAINING_SHARE = 0.5
"""Share of the caller's strength from which a callee explains it."""
MAX_SHOWN_SUSPECTS = 5
"""Suspects named."""


@dataclass(frozen=True)
class Suspect:
    """A component that may be the root: what it shows, and the deviating components it would explain."""

    deviation: DeviatingComponent
    explained_by_callee: bool
    weak_evidence: bool
    affected_callers: tuple[str, ...]

    @property
    def component(self) -> str:
        """Its name."""
        return self.deviation.component


@dataclass(frozen=True)
class SuspectRanking:
    """All suspects, the likeliest first; `group` are the deviating components linked to the first one by calls.

    `tied` tells that the second is as likely as the first.
    """

    suspects: tuple[Suspect, ...]
    group: tuple[str, ...]
    tied: bool

    @property
    def root(self) -> Suspect:
        """The likeliest suspect."""
        return self.suspects[0]


def rank_suspects(judgement: Judgement, topology: Topology) -> SuspectRanking | None:
    """Return what is in trouble at the last instant, None if nothing is for sure."""
    found = find_deviating_components(judgement)
    silent = find_leaf_components(found, topology, edge_endpoints(judgement))
    if not any(_is_certain(one, one.component in silent) for one in found.values()):
        return None
    weak = {name: one for name, one in found.items() if one.strength > WEAK_THRESHOLD}
    ranked = sorted((_build_suspect(one, weak, silent, topology) for one in weak.values()), key=_sort_key)
    first, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    alike = second is not None and (second.weak_evidence, second.explained_by_callee) == (
        first.weak_evidence,
        first.explained_by_callee,
    )
    tied = alike and second is not None and second.deviation.strength >= TIE_RATIO * first.deviation.strength
    return SuspectRanking(tuple(ranked[:MAX_SHOWN_SUSPECTS]), linked_components(first.component, weak, topology), tied)


def linked_components(start: str, deviating: Mapping[str, DeviatingComponent], topology: Topology) -> tuple[str, ...]:
    """Return the components among those given that calls link to `start`, with itself, sorted."""
    callers, callees = call_graph(topology)
    found, todo = {start}, [start]
    while todo:
        name = todo.pop()
        near = (callers.get(name, set()) | callees.get(name, set())) & deviating.keys() - found
        found |= near
        todo.extend(near)
    return tuple(sorted(found))


def _is_certain(deviation: DeviatingComponent, is_leaf: bool) -> bool:
    return deviation.strength > STRONG_THRESHOLD and (not is_leaf or deviation.sustained_strength > STRONG_THRESHOLD)


def _build_suspect(
    deviation: DeviatingComponent,
    deviating: Mapping[str, DeviatingComponent],
    leaves: frozenset[str],
    topology: Topology,
) -> Suspect:
    callers, callees = call_graph(topology)
    name = deviation.component
    below = [deviating[callee] for callee in callees.get(name, ()) if callee in deviating]
    return Suspect(
        deviation=deviation,
        explained_by_callee=any(callee.strength >= _MIN_EXPLAINING_SHARE * deviation.strength for callee in below),
        weak_evidence=name in leaves and any(callees[caller] & deviating.keys() - {name} for caller in callers[name]),
        affected_callers=tuple(sorted(callers.get(name, set()) & deviating.keys())),
    )


def _sort_key(suspect: Suspect) -> tuple[bool, bool, float, str]:
    return (suspect.weak_evidence, suspect.explained_by_callee, -suspect.deviation.strength, suspect.component)
