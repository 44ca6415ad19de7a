"""The ranking of deviating components as root causes: by evidence, then by the call graph, then by strength.

A component is *explained by a callee* that deviates at least half as strongly: faults spread from callee to caller. It
has *weak evidence* if only its caller measures it and another callee of that caller deviates too: the caller may
measure one fault twice. A ranking needs a component that deviates strongly, for twice as long if only its caller
measures it.
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
"""Share of a caller's strength from which its callee explains it."""
MAX_SHOWN_SUSPECTS = 5
"""Suspects that a ranking holds."""


@dataclass(frozen=True)
class Suspect:
    """A component that may be the root cause, with its deviation and its deviating callers."""

    deviation: DeviatingComponent
    explained_by_callee: bool
    weak_evidence: bool
    affected_callers: tuple[str, ...]

    @property
    def component(self) -> str:
        """The component's name."""
        return self.deviation.component


@dataclass(frozen=True)
class SuspectRanking:
    """The suspects, the most likely first; `group` are the deviating components linked to the first one by calls.

    `tied` is True if the second suspect is as likely as the first.
    """

    suspects: tuple[Suspect, ...]
    group: tuple[str, ...]
    tied: bool

    @property
    def root(self) -> Suspect:
        """The most likely suspect."""
        return self.suspects[0]


def rank_suspects(judgement: Judgement, topology: Topology) -> SuspectRanking | None:
    """Return the suspects at the last instant, None without a certain one."""
    deviations = find_deviating_components(judgement)
    leaves = find_leaf_components(deviations, topology, edge_endpoints(judgement))
    if not any(_is_certain(deviation, name in leaves) for name, deviation in deviations.items()):
        return None
    deviating = {name: deviation for name, deviation in deviations.items() if deviation.strength > WEAK_THRESHOLD}
    suspects = sorted(
        (_build_suspect(deviation, deviating, leaves, topology) for deviation in deviating.values()), key=_sort_key
    )
    return SuspectRanking(
        suspects=tuple(suspects[:MAX_SHOWN_SUSPECTS]),
        group=linked_components(suspects[0].component, deviating, topology),
        tied=len(suspects) > 1 and _are_tied(suspects[0], suspects[1]),
    )


def linked_components(start: str, deviating: Mapping[str, DeviatingComponent], topology: Topology) -> tuple[str, ...]:
    """Return `start` and the deviating components that calls link to it, sorted."""
    callers, callees = call_graph(topology)
    linked, pending = {start}, [start]
    while pending:
        name = pending.pop()
        neighbours = (callers.get(name, set()) | callees.get(name, set())) & deviating.keys() - linked
        linked |= neighbours
        pending.extend(neighbours)
    return tuple(sorted(linked))


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
    deviating_callees = [deviating[callee] for callee in callees.get(name, ()) if callee in deviating]
    return Suspect(
        deviation=deviation,
        explained_by_callee=any(
            callee.strength >= _MIN_EXPLAINING_SHARE * deviation.strength for callee in deviating_callees
        ),
        weak_evidence=name in leaves and any(callees[caller] & deviating.keys() - {name} for caller in callers[name]),
        affected_callers=tuple(sorted(callers.get(name, set()) & deviating.keys())),
    )


def _are_tied(first: Suspect, second: Suspect) -> bool:
    return (
        second.weak_evidence == first.weak_evidence
        and second.explained_by_callee == first.explained_by_callee
        and second.deviation.strength >= TIE_RATIO * first.deviation.strength
    )


def _sort_key(suspect: Suspect) -> tuple[bool, bool, float, str]:
    return (suspect.weak_evidence, suspect.explained_by_callee, -suspect.deviation.strength, suspect.component)
