"""Analysis inputs for tests: a healthy system with changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from activities.model.charter import CharterFinding, Committee, Member
from activities.model.snapshot import AnalysisInput
from activities.model.timeseries import Series
from activities.model.topology import Topology
from activities.monitor.builtin_rules import BUILTIN_RULES
from activities.monitor.metric_names import LIVENESS_COUNTER
from activities.monitor.queries import COUNTER_MOVING, all_signals

SERVICES = ("gateway", "policy-engine", "audit-log")
MEMBERS = tuple(f"validator-{n}" for n in range(1, 6))
TOPOLOGY = Topology(
    edges=(("gateway", "policy-engine"), ("policy-engine", "audit-log"), ("policy-engine", "committee"))
)
COMMITTEE = Committee(replicas=5, healthy_nodes=5, members=tuple(Member(name=name) for name in MEMBERS))
STEP_SECONDS, INSTANT_COUNT, START_TIME = 15.0, 40, 1_700_000_010.0

HEALTHY_VALUES: dict[str, float | None] = {
    "violations_total": 0.0,
    "forbidden_metric_attempts_total": 0.2,
    "data_revocation_events_total": 0.4,
    "audit_committee_notifications_total": 1.0,
    "investigation_initiated_total": 0.05,
    "emergency_override_total": 0.0,
    "metric_validation_latency_ns": 2e6,
    "policy_load_duration_ms": 180.0,
    "violation_report_latency_ms": 240.0,
    "committee_notification_latency_ms": 95.0,
    "data_revocation_latency_ms": 480.0,
    "violations_under_investigation": 1.0,
    "audit_committee_size": 5.0,
    "policy_last_load_timestamp": 30.0,
    "emergency_override_active_count": None,
    "validation_latency_seconds": 0.0002,
    "failure_rate": 0.002,
    "committee_size": 5.0,
    "throughput_ops_per_sec": 400.0,
}

SeriesValues = float | None | Sequence[float | None]


def expand_values(value: SeriesValues, length: int = INSTANT_COUNT) -> tuple[float | None, ...]:
    """Return a constant over the whole grid, or a sequence that ends at the last instant, without values before it."""
    if isinstance(value, Sequence):
        return (None,) * (length - len(value)) + tuple(value)
    return (value,) * length


def make_values_since(metric: str, value: float | None, instants: int) -> tuple[float | None, ...]:
    """Return healthy values, then `value` in the last `instants`."""
    return (HEALTHY_VALUES[metric],) * (INSTANT_COUNT - instants) + (value,) * instants


def make_analysis_input(
    values: Mapping[tuple[str, str], SeriesValues] | None = None,
    signals: Mapping[tuple[str, str], SeriesValues] | None = None,
    **fields: Any,
) -> AnalysisInput:
    """Return a healthy system of three services and five members, with other `values` and ages of `signals`."""
    components = (*SERVICES, *MEMBERS)
    lines = {(name, metric): expand_values(value) for name in components for metric, value in HEALTHY_VALUES.items()}
    ages = {(name, signal): expand_values(1.0) for name in components for signal in all_signals(BUILTIN_RULES)}
    ages |= {(name, COUNTER_MOVING): expand_values(3.0) for name in components}
    lines |= {key: expand_values(value) for key, value in (values or {}).items()}
    ages |= {key: expand_values(value) for key, value in (signals or {}).items()}
    grid = tuple(START_TIME + STEP_SECONDS * n for n in range(INSTANT_COUNT))
    defaults: dict[str, Any] = {
        "at": grid[-1],
        "step": STEP_SECONDS,
        "grid": grid,
        "components": components,
        "rules": BUILTIN_RULES,
        "series": tuple(Series(component=c, metric=m, values=v) for (c, m), v in lines.items()),
        "freshness": tuple(Series(component=c, metric=m, values=v) for (c, m), v in ages.items()),
        "committee": COMMITTEE,
        "topology": TOPOLOGY,
    }
    return AnalysisInput(**(defaults | fields))


def make_finding(
    component: str, metric: str, opened: float, closed: float | None = None, **fields: Any
) -> CharterFinding:
    """Return a finding of Charter; times are seconds from the last instant, negative before it."""
    at = START_TIME + STEP_SECONDS * (INSTANT_COUNT - 1)
    times = {"opened_at": at + opened, "closed_at": None if closed is None else at + closed}
    defaults = {"id": "violation_1", "component": component, "metric": metric, "severity": "critical"}
    return CharterFinding(**(defaults | times | fields))


def make_silent_exporter(
    component: str, instants: int
) -> tuple[dict[tuple[str, str], SeriesValues], dict[tuple[str, str], SeriesValues]]:
    """Return values and signals of a component whose exporter is silent for the last `instants`."""
    absent = (None,) * instants
    healthy_count = INSTANT_COUNT - instants
    values: dict[tuple[str, str], SeriesValues] = {
        (component, m): (v,) * healthy_count + absent for m, v in HEALTHY_VALUES.items()
    }
    signals: dict[tuple[str, str], SeriesValues] = {
        (component, signal): (1.0,) * healthy_count + absent for signal in (*all_signals(BUILTIN_RULES), COUNTER_MOVING)
    }
    return values, signals


def make_frozen_counters(
    component: str, instants: int
) -> tuple[dict[tuple[str, str], SeriesValues], dict[tuple[str, str], SeriesValues]]:
    """Return values and signals of a component with frozen counters for the last `instants`."""
    rates = ("validation_latency_seconds", "failure_rate", "metric_validation_latency_ns")
    values: dict[tuple[str, str], SeriesValues] = {(component, m): make_values_since(m, None, instants) for m in rates}
    values[component, "throughput_ops_per_sec"] = make_values_since("throughput_ops_per_sec", 0.0, instants)
    ages: SeriesValues = (1.0,) * (INSTANT_COUNT - instants) + (None,) * instants
    signals: dict[tuple[str, str], SeriesValues] = {
        (component, COUNTER_MOVING): (3.0,) * (INSTANT_COUNT - instants) + (0.0,) * instants,
        (component, LIVENESS_COUNTER): 1.0,
        (component, "westworld_charter_validation_latency_seconds"): ages,
        (component, "westworld_charter_failure_rate"): ages,
    }
    return values, signals
