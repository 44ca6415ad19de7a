"""Root causes among components that deviate: first who deviates, then the call graph, then by how much.

A component is *explained* if one it calls deviates at least half as strongly: the callee's trouble travels up. It is
*doubted* if only its one caller speaks for it and another component that caller calls deviates too: then the caller
sees the same trouble twice. Where nothing deviates strongly, or only an end point that its one caller speaks for, the
answer is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from activities.analyze.deviation.components import (
    STRONG,
    WEAK,
    Deviant,
    deviants,
    ends_of_edges,
    neighbourhood,
    passive,
)
from activities.model.topology import Topology
from activities.monitor.judgement import Judged

_EXPLAINS = 0.5
"""Share of the caller's strength from which a callee explains it."""
_TIE = 0.9
"""Strengths within 10 % of each other are equal."""
SHOWN = 5
"""Suspects named."""


@dataclass(frozen=True)
class Suspect:
    """A component that may be the root: what it shows, and the deviating components it would explain."""

    deviant: Deviant
    explained: bool
    doubted: bool
    reaches: tuple[str, ...]

    @property
    def component(self) -> str:
        """Its name."""
        return self.deviant.component


@dataclass(frozen=True)
class Trouble:
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


def trouble_of(judged: Judged, topology: Topology) -> Trouble | None:
    """Return what is in trouble at the last instant, None if nothing is for sure."""
    found = deviants(judged)
    silent = passive(found, topology, ends_of_edges(judged))
    if not any(_sure(one, one.component in silent) for one in found.values()):
        return None
    weak = {name: one for name, one in found.items() if one.strength > WEAK}
    ranked = sorted((_suspect(one, weak, silent, topology) for one in weak.values()), key=_rank)
    first, second = ranked[0], ranked[1] if len(ranked) > 1 else None
    alike = second is not None and (second.doubted, second.explained) == (first.doubted, first.explained)
    tied = alike and second is not None and second.deviant.strength >= _TIE * first.deviant.strength
    return Trouble(tuple(ranked[:SHOWN]), linked(first.component, weak, topology), tied)


def linked(start: str, among: Mapping[str, Deviant], topology: Topology) -> tuple[str, ...]:
    """Return the components among those given that calls link to `start`, with itself, sorted."""
    callers, callees = neighbourhood(topology)
    found, todo = {start}, [start]
    while todo:
        name = todo.pop()
        near = (callers.get(name, set()) | callees.get(name, set())) & among.keys() - found
        found |= near
        todo.extend(near)
    return tuple(sorted(found))


def _sure(one: Deviant, silent: bool) -> bool:
    return one.strength > STRONG and (not silent or one.lasting > STRONG)


def _suspect(one: Deviant, weak: Mapping[str, Deviant], silent: frozenset[str], topology: Topology) -> Suspect:
    callers, callees = neighbourhood(topology)
    name = one.component
    below = [weak[callee] for callee in callees.get(name, ()) if callee in weak]
    return Suspect(
        deviant=one,
        explained=any(callee.strength >= _EXPLAINS * one.strength for callee in below),
        doubted=name in silent and any(callees[caller] & weak.keys() - {name} for caller in callers[name]),
        reaches=tuple(sorted(callers.get(name, set()) & weak.keys())),
    )


def _rank(suspect: Suspect) -> tuple[bool, bool, float, str]:
    return (suspect.doubted, suspect.explained, -suspect.deviant.strength, suspect.component)
