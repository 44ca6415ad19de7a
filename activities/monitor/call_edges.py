"""Call edges: metrics of a call between two components, under the name `caller->callee`."""

from collections.abc import Iterable

EDGE_SEPARATOR = "->"
"""Separates caller and callee in the name of a call edge."""


def parse_call_edge(component: str) -> tuple[str, str] | None:
    """Return (caller, callee), None if the name is not that of a call edge between two named components."""
    caller, arrow, callee = component.partition(EDGE_SEPARATOR)
    return (caller, callee) if arrow and caller and callee else None


def call_edges(components: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the sorted (caller, callee) pairs of the call edges among the names."""
    return tuple(sorted({ends for name in components if (ends := parse_call_edge(name)) is not None}))
