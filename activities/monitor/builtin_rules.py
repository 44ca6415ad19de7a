"""The built-in rules: the 15 metrics Charter exports and the 4 derived by recording rules."""

from activities.model.rule import MetricRule
from activities.model.violation import Bad, Severity

PREFIX = "westworld_charter_"
"""What every metric of Charter begins with; short names go without it."""

LIVENESS = f"{PREFIX}metric_validation_latency_ns_count"
"""The counter that moves as long as a component works: every component validates."""

TOP_BUCKET = {
    "metric_validation_latency_ns": 1e7,
    "policy_load_duration_ms": 1000.0,
    "violation_report_latency_ms": 2000.0,
    "committee_notification_latency_ms": 1000.0,
    "data_revocation_latency_ms": 5000.0,
}
"""Highest finite bucket of each histogram. A quantile never reads higher, so a limit there could never fire."""


def default_leave(enter: float, bad: Bad) -> float:
    """Return the leave limit that belongs to an enter limit: 10 % of it on the good side."""
    margin = 0.1 * abs(enter)
    return enter - margin if bad is Bad.ABOVE else enter + margin


def _rate(metric: str, enter: float, severity: Severity, matcher: str = "", window: str = "{window}") -> MetricRule:
    name = f"{PREFIX}{metric}"
    return MetricRule(
        metric=metric,
        expr=f"sum by (node_or_service) (rate({name}{matcher}[{window}]))",
        enter=enter,
        leave=default_leave(enter, Bad.ABOVE),
        severity=severity,
        signals=(name,),
    )


def _p99(metric: str, enter: float) -> MetricRule:
    # A histogram without a new observation has the quantile NaN: nothing happened, so it is left out. One whose count
    # or sum is NaN must stay: "NaN == 0" is not true, and 0 × NaN is NaN.
    name = f"{PREFIX}{metric}"
    return MetricRule(
        metric=metric,
        expr=(
            f"(histogram_quantile(0.99, sum by (node_or_service, le) (rate({name}_bucket[{{window}}])))"
            f" + 0 * sum by (node_or_service) (rate({name}_sum[{{window}}])))"
            f" unless sum by (node_or_service) (rate({name}_count[{{window}}])) == 0"
        ),
        enter=enter,
        leave=default_leave(enter, Bad.ABOVE),
        signals=(f"{name}_count",),
    )


def _recorded(metric: str, enter: float, leave: float, bad: Bad, severity: Severity) -> MetricRule:
    name, worst = f"{PREFIX}{metric}", "max" if bad is Bad.ABOVE else "min"
    return MetricRule(
        metric=metric,
        expr=f"{worst} by (node_or_service) ({name})",
        enter=enter,
        leave=leave,
        bad=bad,
        severity=severity,
        signals=(name, LIVENESS),
        steady=True,
    )


_GAUGES = (
    MetricRule(
        metric="violations_under_investigation",
        expr=f"sum by (node_or_service) ({PREFIX}violations_under_investigation)",
        enter=10.0,
        leave=9.0,
        signals=(f"{PREFIX}violations_under_investigation",),
    ),
    # Members are whole numbers: with a margin a committee of exactly 4 would never be good again.
    MetricRule(
        metric="audit_committee_size",
        expr=f"min by (node_or_service) ({PREFIX}audit_committee_size)",
        enter=4.0,
        leave=4.0,
        bad=Bad.BELOW,
        signals=(f"{PREFIX}audit_committee_size",),
    ),
    MetricRule(
        metric="policy_last_load_timestamp",
        expr=f"time() - max by (node_or_service) ({PREFIX}policy_last_load_timestamp)",
        enter=86400.0,
        leave=86400.0,
        severity=Severity.CRITICAL,
        signals=(f"{PREFIX}policy_last_load_timestamp",),
    ),
    # The offset demands 30 minutes of history: after a start, a minute of data says nothing about 30.
    MetricRule(
        metric="emergency_override_active_count",
        expr=(
            f"max by (node_or_service) (min_over_time({PREFIX}emergency_override_active_count[30m])"
            f" and {PREFIX}emergency_override_active_count offset 30m)"
        ),
        enter=0.0,
        leave=0.0,
        severity=Severity.CRITICAL,
        signals=(f"{PREFIX}emergency_override_active_count",),
    ),
)

EXPORTED: tuple[MetricRule, ...] = (
    _rate("violations_total", 0.5, Severity.CRITICAL, matcher='{severity=~"(?i)critical"}'),
    _rate("forbidden_metric_attempts_total", 10.0, Severity.WARNING),
    _rate("data_revocation_events_total", 1.0, Severity.WARNING),
    _rate("audit_committee_notifications_total", 10.0, Severity.INFO),
    _rate("investigation_initiated_total", 5.0, Severity.INFO),
    # A window of its own: within a rate window of seconds one single override would look like a flood of them.
    _rate("emergency_override_total", 0.1, Severity.INFO, window="5m"),
    _p99("metric_validation_latency_ns", 5e6),
    _p99("policy_load_duration_ms", 500.0),
    _p99("violation_report_latency_ms", 1000.0),
    _p99("committee_notification_latency_ms", 500.0),
    _p99("data_revocation_latency_ms", 2000.0),
    *_GAUGES,
)
"""The 15 exported metrics: counters by rate per second, histograms by p99, gauges as they are."""

RECORDED: tuple[MetricRule, ...] = (
    _recorded("validation_latency_seconds", 1.0, 0.9, Bad.ABOVE, Severity.CRITICAL),
    _recorded("failure_rate", 0.10, 0.09, Bad.ABOVE, Severity.CRITICAL),
    _recorded("committee_size", 4.0, 4.0, Bad.BELOW, Severity.WARNING),
    _recorded("throughput_ops_per_sec", 100.0, 110.0, Bad.BELOW, Severity.CRITICAL),
)
"""The 4 metrics of the recording rules; latency and failure rate are absent while a component validates nothing."""

BUILT_IN: tuple[MetricRule, ...] = (*EXPORTED, *RECORDED)
"""All 19."""
