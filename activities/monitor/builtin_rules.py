"""The built-in rules: one for each of 15 exported metrics and 4 metrics of recording rules."""

from activities.model.rule import MetricRule
from activities.model.violation import BreachSide, Severity
from activities.monitor.metric_names import (
    COMMITTEE_SIZE,
    COMPONENT_LABEL,
    EXPORTED_COMMITTEE_SIZE,
    FAILURE_RATE,
    LIVENESS_COUNTER,
    METRIC_PREFIX,
    NOTIFICATION_P99,
    NOTIFICATIONS,
    POLICY_LAST_LOAD,
    POLICY_LOAD_P99,
    REPORT_P99,
    REVOCATION_P99,
    THROUGHPUT,
    VALIDATION_P99,
    VALIDATION_SECONDS,
    VIOLATIONS,
)

TOP_BUCKET_BY_METRIC = {
    VALIDATION_P99: 1e7,
    POLICY_LOAD_P99: 1000.0,
    REPORT_P99: 2000.0,
    NOTIFICATION_P99: 1000.0,
    REVOCATION_P99: 5000.0,
}
"""Highest finite bucket of each histogram. A quantile is never higher, so a threshold there could never fire."""


def default_clear_threshold(threshold: float, breach: BreachSide) -> float:
    """Return the value 10 % of the threshold on its good side."""
    margin = 0.1 * abs(threshold)
    return threshold - margin if breach is BreachSide.ABOVE else threshold + margin


def _rate_rule(
    metric: str, threshold: float, severity: Severity, matcher: str = "", window: str = "{window}"
) -> MetricRule:
    name = f"{METRIC_PREFIX}{metric}"
    return MetricRule(
        metric=metric,
        expr=f"sum by ({COMPONENT_LABEL}) (rate({name}{matcher}[{window}]))",
        threshold=threshold,
        clear_threshold=default_clear_threshold(threshold, BreachSide.ABOVE),
        severity=severity,
        signals=(name,),
    )


def _p99_rule(metric: str, threshold: float) -> MetricRule:
    # A histogram without a new observation has the quantile NaN and is left out. One whose count or sum is NaN must
    # stay: "NaN == 0" is false, and 0 × NaN is NaN.
    name = f"{METRIC_PREFIX}{metric}"
    return MetricRule(
        metric=metric,
        expr=(
            f"(histogram_quantile(0.99, sum by ({COMPONENT_LABEL}, le) (rate({name}_bucket[{{window}}])))"
            f" + 0 * sum by ({COMPONENT_LABEL}) (rate({name}_sum[{{window}}])))"
            f" unless sum by ({COMPONENT_LABEL}) (rate({name}_count[{{window}}])) == 0"
        ),
        threshold=threshold,
        clear_threshold=default_clear_threshold(threshold, BreachSide.ABOVE),
        signals=(f"{name}_count",),
    )


def _recorded_rule(
    metric: str, threshold: float, clear_threshold: float, breach: BreachSide, severity: Severity
) -> MetricRule:
    name, aggregation = f"{METRIC_PREFIX}{metric}", "max" if breach is BreachSide.ABOVE else "min"
    return MetricRule(
        metric=metric,
        expr=f"{aggregation} by ({COMPONENT_LABEL}) ({name})",
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
        expr=f"sum by ({COMPONENT_LABEL}) ({METRIC_PREFIX}violations_under_investigation)",
        threshold=10.0,
        clear_threshold=9.0,
        signals=(f"{METRIC_PREFIX}violations_under_investigation",),
    ),
    # Members are whole numbers: with a margin, a committee of exactly 4 would stay violated.
    MetricRule(
        metric=EXPORTED_COMMITTEE_SIZE,
        expr=f"min by ({COMPONENT_LABEL}) ({METRIC_PREFIX}{EXPORTED_COMMITTEE_SIZE})",
        threshold=4.0,
        clear_threshold=4.0,
        breach=BreachSide.BELOW,
        signals=(f"{METRIC_PREFIX}{EXPORTED_COMMITTEE_SIZE}",),
    ),
    MetricRule(
        metric=POLICY_LAST_LOAD,
        expr=f"time() - max by ({COMPONENT_LABEL}) ({METRIC_PREFIX}{POLICY_LAST_LOAD})",
        threshold=86400.0,
        clear_threshold=86400.0,
        severity=Severity.CRITICAL,
        signals=(f"{METRIC_PREFIX}{POLICY_LAST_LOAD}",),
    ),
    # The offset requires 30 minutes of history: after a start, one minute of data does not cover 30.
    MetricRule(
        metric="emergency_override_active_count",
        expr=(
            f"max by ({COMPONENT_LABEL}) (min_over_time({METRIC_PREFIX}emergency_override_active_count[30m])"
            f" and {METRIC_PREFIX}emergency_override_active_count offset 30m)"
        ),
        threshold=0.0,
        clear_threshold=0.0,
        severity=Severity.CRITICAL,
        signals=(f"{METRIC_PREFIX}emergency_override_active_count",),
    ),
)

EXPORTED_RULES: tuple[MetricRule, ...] = (
    _rate_rule(VIOLATIONS, 0.5, Severity.CRITICAL, matcher='{severity=~"(?i)critical"}'),
    _rate_rule("forbidden_metric_attempts_total", 10.0, Severity.WARNING),
    _rate_rule("data_revocation_events_total", 1.0, Severity.WARNING),
    _rate_rule(NOTIFICATIONS, 10.0, Severity.INFO),
    _rate_rule("investigation_initiated_total", 5.0, Severity.INFO),
    # A longer window: within a rate window of seconds, one override would look like a flood.
    _rate_rule("emergency_override_total", 0.1, Severity.INFO, window="5m"),
    _p99_rule(VALIDATION_P99, 5e6),
    _p99_rule(POLICY_LOAD_P99, 500.0),
    _p99_rule(REPORT_P99, 1000.0),
    _p99_rule(NOTIFICATION_P99, 500.0),
    _p99_rule(REVOCATION_P99, 2000.0),
    *_GAUGE_RULES,
)
"""The 15 exported metrics: counters as rate per second, histograms as p99, gauges unchanged."""

RECORDED_RULES: tuple[MetricRule, ...] = (
    _recorded_rule(VALIDATION_SECONDS, 1.0, 0.9, BreachSide.ABOVE, Severity.CRITICAL),
    _recorded_rule(FAILURE_RATE, 0.10, 0.09, BreachSide.ABOVE, Severity.CRITICAL),
    _recorded_rule(COMMITTEE_SIZE, 4.0, 4.0, BreachSide.BELOW, Severity.WARNING),
    _recorded_rule(THROUGHPUT, 100.0, 110.0, BreachSide.BELOW, Severity.CRITICAL),
)
"""The 4 metrics of the recording rules; an idle component has no latency and no failure rate."""

BUILTIN_RULES: tuple[MetricRule, ...] = (*EXPORTED_RULES, *RECORDED_RULES)
"""All 19 rules."""
