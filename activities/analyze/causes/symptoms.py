"""What the metrics are symptoms of, and who is near whom."""

from collections.abc import Iterable

from activities.model.action import COMMITTEE
from activities.model.topology import Topology
from activities.monitor.metric_names import (
    COMMITTEE_SIZE,
    EXPORTED_COMMITTEE_SIZE,
    FAILURE_RATE,
    MEMBER_HEALTH,
    NOTIFICATION_P99,
    NOTIFICATIONS,
    POLICY_LAST_LOAD,
    POLICY_LOAD_P99,
    REPORT_P99,
    THROUGHPUT,
    VALIDATION_P99,
    VALIDATION_SECONDS,
    VIOLATIONS,
)

LATENCY_METRICS = frozenset({VALIDATION_SECONDS, VALIDATION_P99})
"""Validations take long."""
FAILURE_METRICS = frozenset({FAILURE_RATE, VIOLATIONS})
"""Validations fail."""
POLICY_LOAD_METRICS = frozenset({POLICY_LOAD_P99, POLICY_LAST_LOAD})
"""A policy does not load as it should."""
REPORT_LATENCY_METRICS = frozenset({REPORT_P99})
"""Reports come late."""
NOTIFICATION_RATE_METRICS = frozenset({NOTIFICATIONS})
"""The committee is flooded with notices."""
NOTIFICATION_LATENCY_METRICS = frozenset({NOTIFICATION_P99})
"""Notices come late."""
COMMITTEE_SIZE_METRICS = frozenset({COMMITTEE_SIZE, EXPORTED_COMMITTEE_SIZE})
"""The committee is small."""
THROUGHPUT_METRICS = frozenset({THROUGHPUT})
"""Little is done."""
DEAD_MEMBER_METRICS = frozenset({MEMBER_HEALTH})
"""Charter says that it does not answer."""


def expand_committee(topology: Topology, members: Iterable[str]) -> Topology:
    """Return the topology with the name "committee" replaced by each of its members."""
    names = tuple(members)

    def parts(component: str) -> tuple[str, ...]:
        return names if component == COMMITTEE else (component,)

    return Topology(edges=tuple((a, b) for x, y in topology.edges for a in parts(x) for b in parts(y)))


def find_upstream(topology: Topology, components: Iterable[str]) -> frozenset[str]:
    """Return everything that calls one of the components, directly or through others; themselves only in a cycle."""
    found: set[str] = set()
    todo = list(components)
    while todo:
        new = set(topology.callers(todo.pop())) - found
        found |= new
        todo.extend(new)
    return frozenset(found)


def connected_components(topology: Topology, components: Iterable[str]) -> tuple[frozenset[str], ...]:
    """Return the groups of components that are linked by calls within the group, the largest first."""
    left, groups = set(components), []
    while left:
        group, todo = set(), [min(left)]
        while todo:
            component = todo.pop()
            group.add(component)
            todo.extend(set(topology.neighbours(component)) & left - group)
        left -= group
        groups.append(frozenset(group))
    return tuple(sorted(groups, key=lambda group: (-len(group), min(group))))
