"""The built-in rules: the 15 metrics Charter exports and the 4 derived by recording rules."""

from activities.model.rule import MetricRule
from activities.model.violation import BreachSide, Severity

METRIC_PREFIX = "westworld_charter_"
"""What every metric of Charter begins with; short names go without it."""

LIVENESS_COUNTER = f"{METRIC_PREFIX}metric_validation_latency_ns_count"
"""The counter that moves as long as a component works: every component validates."""

TOP_BUCKET_BY_METRIC = {
    "metric_validation_latency_ns": 1e7,
    "policy_load_duration_ms": 1000.0,
    "violation_report_latency_ms": 2000.0,
    "committee_notification_latency_ms": 1000.0,
    "data_revocation_latency_ms": 5000.0,
}
"""Highest finite bucket of each histogram. A quantile never reads higher, so a limit there could never fire."""


def default_clear_threshold(threshold: float, breach: BreachSide) -> float:
    """Return the leave limit that belongs to an enter limit: 10 % of it on the good side."""
    margin = 0.1 * abs(threshold)
    return threshold - margin if breach is BreachSide.ABOVE else threshold + margin


def _rate_rule(
    metric: str, threshold: float, severity: Severity, matcher: str = "", window: str = "{window}"
) -> MetricRule:
    name = f"{METRIC_PREFIX}{metric}"
    return MetricRule(
        metric=metric,
        expr=f"sum by (node_or_service) (rate({name}{matcher}[{window}]))",
        threshold=threshold,
        clear_threshold=default_clear_threshold(threshold, BreachSide.ABOVE),
        severity=severity,
        signals=(name,),
    )


def _p99_rule(metric: str, threshold: float) -> MetricRule:
    # A histogram without a new observation has the quantile NaN: nothing happened, so it is left out. One whose count
    # or sum is NaN must stay: "NaN == 0" is not true, and 0 × NaN is NaN.
    name = f"{METRIC_PREFIX}{metric}"
    return MetricRule(
        metric=metric,
        expr=(
            f"(histogram_quantile(0.99, sum by (node_or_service, le) (rate({name}_bucket[{{window}}])))"
            f" + 0 * sum by (node_or_service) (rate({name}_sum[{{window}}])))"
            f" unless sum by (node_or_service) (rate({name}_count[{{window}}])) == 0"
        ),
        threshold=threshold,
        clear_threshold=default_clear_threshold(threshold, BreachSide.ABOVE),
        signals=(f"{name}_count",),
    )


def _recorded_rule(
    metric: str, threshold: float, clear_threshold: float, breach: BreachSide, severity: Severity
) -> MetricRule:
    name, worst = f"{METRIC_PREFIX}{metric}", "max" if breach is BreachSide.ABOVE else "min"
    return MetricRule(
        metric=metric,
        expr=f"{worst} by (node_or_service) ({name})",
        threshold=threshold,
        clear_threshold=clear_threshold,
        breach=breach,
        severity=severity,
        signals=(name, LIVENESS_COUNTER),
        always_present=True,
    )


_GAUGE_RULES = (
    MetricRule(
        metric="violations_under_investigation",
        expr=f"sum by (node_or_service) ({METRIC_PREFIX}violations_under_investigation)",
        threshold=10.0,
        clear_threshold=9.0,
        signals=(f"{METRIC_PREFIX}violations_under_investigation",),
    ),
    # Members are whole numbers: with a margin a committee of exactly 4 would never be good again.
    MetricRule(
        metric="audit_committee_size",
        expr=f"min by (node_or_service) ({METRIC_PREFIX}audit_committee_size)",
        threshold=4.0,
        clear_threshold=4.0,
        breach=BreachSide.BELOW,
        signals=(f"{METRIC_PREFIX}audit_committee_size",),
    ),
    MetricRule(
        metric="policy_last_load_timestamp",
        expr=f"time() - max by (node_or_service) ({METRIC_PREFIX}policy_last_load_timestamp)",
        threshold=86400.0,
        clear_threshold=86400.0,
        severity=Severity.CRITICAL,
        signals=(f"{METRIC_PREFIX}policy_last_load_timestamp",),
    ),
    # The offset demands 30 minutes of history: after a start, a minute of data says nothing about 30.
    MetricRule(
        metric="emergency_override_active_count",
        expr=(
            f"max by (node_or_service) (min_over_time({METRIC_PREFIX}emergency_override_active_count[30m])"
            f" and {METRIC_PREFIX}emergency_override_active_count offset 30m)"
        ),
        threshold=0.0,
        clear_threshold=0.0,
        severity=Severity.CRITICAL,
        signals=(f"{METRIC_PREFIX}emergency_override_active_count",),
    ),
)

EXPORTED_RULES: tuple[MetricRule, ...] = (
    _rate_rule("violations_total", 0.5, Severity.CRITICAL, matcher='{severity=~"(?i)critical"}'),
    _rate_rule("forbidden_metric_attempts_total", 10.0, Severity.WARNING),
    _rate_rule("data_revocation_events_total", 1.0, Severity.WARNING),
    _rate_rule("audit_committee_notifications_total", 10.0, Severity.INFO),
    _rate_rule("investigation_initiated_total", 5.0, Severity.INFO),
    # A window of its own: within a rate window of seconds one single override would look like a flood of them.
    _rate_rule("emergency_override_total", 0.1, Severity.INFO, window="5m"),
    _p99_rule("metric_validation_latency_ns", 5e6),
    _p99_rule("policy_load_duration_ms", 500.0),
    _p99_rule("violation_report_latency_ms", 1000.0),
    _p99_rule("committee_notification_latency_ms", 500.0),
    _p99_rule("data_revocation_latency_ms", 2000.0),
    *_GAUGE_RULES,
)
"""The 15 exported metrics: counters by rate per second, histograms by p99, gauges as they are."""

RECORDED_RULES: tuple[MetricRule, ...] = (
    _recorded_rule("validation_latency_seconds", 1.0, 0.9, BreachSide.ABOVE, Severity.CRITICAL),
    _recorded_rule("failure_rate", 0.10, 0.09, BreachSide.ABOVE, Severity.CRITICAL),
    _recorded_rule("committee_size", 4.0, 4.0, BreachSide.BELOW, Severity.WARNING),
    _recorded_rule("throughput_ops_per_sec", 100.0, 110.0, BreachSide.BELOW, Severity.CRITICAL),
)
"""The 4 metrics of the recording rules; latency and failure rate are absent while a component validates nothing."""

BUILTIN_RULES: tuple[MetricRule, ...] = (*EXPORTED_RULES, *RECORDED_RULES)
"""All 19."""
