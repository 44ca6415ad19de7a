"""The names of Charter's metrics and of their label, as Prometheus has them.

A short name is the exported name without `METRIC_PREFIX`.
"""

METRIC_PREFIX = "westworld_charter_"
"""Prefix of every metric that Charter exports."""
COMPONENT_LABEL = "node_or_service"
"""The label that names the component."""

VIOLATIONS = "violations_total"
NOTIFICATIONS = "audit_committee_notifications_total"
VALIDATION_P99 = "metric_validation_latency_ns"
POLICY_LOAD_P99 = "policy_load_duration_ms"
REPORT_P99 = "violation_report_latency_ms"
NOTIFICATION_P99 = "committee_notification_latency_ms"
REVOCATION_P99 = "data_revocation_latency_ms"
EXPORTED_COMMITTEE_SIZE = "audit_committee_size"
POLICY_LAST_LOAD = "policy_last_load_timestamp"

VALIDATION_SECONDS = "validation_latency_seconds"
FAILURE_RATE = "failure_rate"
COMMITTEE_SIZE = "committee_size"
THROUGHPUT = "throughput_ops_per_sec"

MEMBER_HEALTH = "member_health"
"""The metric of a member that does not answer. No exporter has it: only Charter reports it."""

LIVENESS_COUNTER = f"{METRIC_PREFIX}{VALIDATION_P99}_count"
"""The counter that increases while a component works: every component validates."""
