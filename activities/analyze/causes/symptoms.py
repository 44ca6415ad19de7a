"""Families of metrics that are symptoms of one defect, and the neighbourhood of components."""

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
"""Validations are slow."""
FAILURE_METRICS = frozenset({FAILURE_RATE, VIOLATIONS})
"""Validations fail."""
POLICY_LOAD_METRICS = frozenset({POLICY_LOAD_P99, POLICY_LAST_LOAD})
"""A policy loads slowly or not at all."""
REPORT_LATENCY_METRICS = frozenset({REPORT_P99})
"""Reports are late."""
NOTIFICATION_RATE_METRICS = frozenset({NOTIFICATIONS})
"""The committee is flooded with notices."""
NOTIFICATION_LATENCY_METRICS = frozenset({NOTIFICATION_P99})
"""Notices are late."""
COMMITTEE_SIZE_METRICS = frozenset({COMMITTEE_SIZE, EXPORTED_COMMITTEE_SIZE})
"""The committee is small."""
THROUGHPUT_METRICS = frozenset({THROUGHPUT})
"""Throughput is low."""
DEAD_MEMBER_METRICS = frozenset({MEMBER_HEALTH})
"""Charter reports that the member does not answer."""


def expand_committee(topology: Topology, members: Iterable[str]) -> Topology:
    """Return the topology with the name "committee" replaced by each of its members."""
    names = tuple(members)

    def expand(component: str) -> tuple[str, ...]:
        return names if component == COMMITTEE else (component,)

    return Topology(
        edges=tuple((a, b) for caller, callee in topology.edges for a in expand(caller) for b in expand(callee))
    )


def find_upstream(topology: Topology, components: Iterable[str]) -> frozenset[str]:
    """Return the direct and indirect callers of the components; a component itself only if its calls form a cycle."""
    upstream: set[str] = set()
    pending = list(components)
    while pending:
        new = set(topology.callers(pending.pop())) - upstream
        upstream |= new
        pending.extend(new)
    return frozenset(upstream)


def connected_components(topology: Topology, components: Iterable[str]) -> tuple[frozenset[str], ...]:
    """Return the groups of components linked by calls within the group, the largest first."""
    remaining, groups = set(components), []
    while remaining:
        group, pending = set(), [min(remaining)]
        while pending:
            component = pending.pop()
            group.add(component)
            pending.extend(set(topology.neighbours(component)) & remaining - group)
        remaining -= group
        groups.append(frozenset(group))
    return tuple(sorted(groups, key=lambda group: (-len(group), min(group))))
