"""The fifteen metrics of Charter: names, kinds, labels, buckets. The label `node_or_service` is on every one."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final

METRIC_PREFIX: Final = "westworld_charter_"
COMPONENT_LABEL: Final = "node_or_service"

SEVERITIES: Final = ("critical", "warning", "info")
VIOLATION_TYPES: Final = ("unlisted_metric", "policy_denied", "timeout", "retry_exhausted")


class MetricKind(StrEnum):
    """Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class MetricDefinition:
    """One metric; `label_values` are the initial series, `bounds` the finite buckets."""

    name: str
    kind: MetricKind
    help_text: str
    labels: tuple[str, ...] = ()
    label_values: tuple[tuple[str, ...], ...] = ((),)
    bounds: tuple[float, ...] = ()


def _define_counter(name: str, help_text: str, **labels: tuple[str, ...]) -> MetricDefinition:
    return MetricDefinition(name, MetricKind.COUNTER, help_text, tuple(labels), tuple(product(*labels.values())))


def _define_gauge(name: str, help_text: str, **labels: tuple[str, ...]) -> MetricDefinition:
    return MetricDefinition(name, MetricKind.GAUGE, help_text, tuple(labels), tuple(product(*labels.values())))


def _define_histogram(name: str, help_text: str, *bounds: float) -> MetricDefinition:
    return MetricDefinition(name, MetricKind.HISTOGRAM, help_text, bounds=bounds)


METRICS: Final = (
    _define_counter("violations_total", "Violations found.", severity=SEVERITIES, violation_type=VIOLATION_TYPES),
    _define_counter(
        "forbidden_metric_attempts_total",
        "Attempts to collect a forbidden metric.",
        metric_name=("user_location", "private_messages"),
        status=("blocked", "reported", "escalated"),
    ),
    _define_counter("data_revocation_events_total", "Data revocations.", reason=("retention", "withdrawn_consent")),
    _define_counter(
        "audit_committee_notifications_total",
        "Notices sent to the committee.",
        severity=SEVERITIES,
        recipient_count=("5",),
    ),
    _define_counter(
        "investigation_initiated_total",
        "Investigations opened.",
        violation_type=("policy_denied", "unlisted_metric"),
        initiated_by=("system", "committee", "external"),
    ),
    _define_counter(
        "emergency_override_total",
        "Emergency overrides executed.",
        reason=("remediation",),
        who_triggered=("mape_k_executor",),
    ),
    _define_histogram("metric_validation_latency_ns", "Validation time, nanoseconds.", 100, 1e3, 1e4, 1e5, 1e6, 1e7),
    _define_histogram("policy_load_duration_ms", "Policy load time, milliseconds.", 10, 50, 100, 200, 500, 1000),
    _define_histogram(
        "violation_report_latency_ms",
        "Detection of a violation to its escalation, milliseconds.",
        *(50, 100, 250, 500, 1000, 2000),
    ),
    _define_histogram(
        "committee_notification_latency_ms", "Time to notify, milliseconds.", *(10, 50, 100, 250, 500, 1000)
    ),
    _define_histogram("data_revocation_latency_ms", "Time to revoke, milliseconds.", 50, 100, 250, 500, 1000, 5000),
    _define_gauge("violations_under_investigation", "Open investigations.", severity=SEVERITIES),
    _define_gauge("audit_committee_size", "Members of the committee."),
    _define_gauge("policy_last_load_timestamp", "Last policy load, unix seconds."),
    _define_gauge("emergency_override_active_count", "Emergency overrides in force."),
)
"""All metrics in the order of the exposition."""
