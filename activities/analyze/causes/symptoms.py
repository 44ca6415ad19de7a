"""What the metrics are symptoms of, and who is near whom."""

from collections.abc import Iterable

from activities.model.action import COMMITTEE
from activities.model.topology import Topology
from activities.monitor.charter_findings import MEMBER_HEALTH_METRIC

LATENCY_METRICS = frozenset({"validation_latency_seconds", "metric_validation_latency_ns"})
"""Validations take long."""
FAILURE_METRICS = frozenset({"failure_rate", "violations_total"})
"""Validations fail."""
POLICY_LOAD_METRICS = frozenset({"policy_load_duration_ms", "policy_last_load_timestamp"})
"""A policy does not load as it should."""
REPORT_LATENCY_METRICS = frozenset({"violation_report_latency_ms"})
"""Reports come late."""
NOTIFICATION_RATE_METRICS = frozenset({"audit_committee_notifications_total"})
"""The committee is flooded with notices."""
NOTIFICATION_LATENCY_METRICS = frozenset({"committee_notification_latency_ms"})
"""Notices come late."""
COMMITTEE_SIZE_METRICS = frozenset({"committee_size", "audit_committee_size"})
"""The committee is small."""
THROUGHPUT_METRICS = frozenset({"throughput_ops_per_sec"})
"""Little is done."""
DEAD_MEMBER_METRICS = frozenset({MEMBER_HEALTH_METRIC})
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
