"""Call edges: metrics of a call between two components, under the name `caller->callee`."""

from collections.abc import Iterable

ARROW = "->"
"""Between caller and callee in the name of a call edge."""


def ends_of(component: str) -> tuple[str, str] | None:
    """Return (caller, callee) if the name is that of a call edge between two named components, else None."""
    caller, arrow, callee = component.partition(ARROW)
    return (caller, callee) if arrow and caller and callee else None


def edges_of(components: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return the calls among the names, sorted: what call metrics are seen of tells who calls whom."""
    return tuple(sorted({ends for name in components if (ends := ends_of(name)) is not None}))
