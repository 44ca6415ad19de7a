"""Dashboard of Charter: its fifteen metrics, and the four metrics of recording rules."""

from deploy.tools.dashboards.panel import Dashboard, Panel, Variable

_METRIC_PREFIX = "westworld_charter_"
_COMPONENT_SELECTOR = '{node_or_service=~"$component"}'
_TEMPORAL_WORKFLOWS_URL = "${temporal_ui}/namespaces/${namespace}/workflows?query="


def _build_rate_panel(title: str, name: str, description: str, group_by: str = "node_or_service") -> Panel:
    expr = f"sum by ({group_by}) (rate({_METRIC_PREFIX}{name}{_COMPONENT_SELECTOR}[$__rate_interval]))"
    return Panel(title, description, ((f"{{{{{group_by}}}}}", expr),), unit="cps")


def _build_p99_panel(title: str, name: str, description: str, unit: str) -> Panel:
    rate = f"rate({_METRIC_PREFIX}{name}_bucket{_COMPONENT_SELECTOR}[$__rate_interval])"
    quantile = f"histogram_quantile(0.99, sum by (node_or_service, le) ({rate}))"
    # Without observations the quantile is NaN; such components are dropped.
    return Panel(title, description, (("{{node_or_service}}", f"{quantile} >= 0"),), unit=unit)


def _build_gauge_panel(title: str, expr: str, description: str, unit: str = "short") -> Panel:
    return Panel(title, description, (("{{node_or_service}}", expr),), unit=unit)


CHARTER_DASHBOARD = Dashboard(
    uid="mapek-charter",
    title="MAPE-K: Charter",
    variables=(
        Variable(
            "component",
            query=f"label_values({_METRIC_PREFIX}throughput_ops_per_sec, node_or_service)",
            multi_select=True,
        ),
        Variable("temporal_ui", textbox_default="http://localhost:8233"),
        Variable("namespace", textbox_default="mapek"),
    ),
    links=(("Remediations in Temporal", f"{_TEMPORAL_WORKFLOWS_URL}WorkflowType%3D%22MapekRemediation%22"),),
    panels=(
        _build_gauge_panel(
            "Throughput",
            f"{_METRIC_PREFIX}throughput_ops_per_sec{_COMPONENT_SELECTOR}",
            "Validations a second; recorded.",
            "ops",
        ),
        _build_gauge_panel(
            "Validation latency",
            f"{_METRIC_PREFIX}validation_latency_seconds{_COMPONENT_SELECTOR}",
            "Mean; recorded.",
            "s",
        ),
        _build_gauge_panel(
            "Failure rate",
            f"{_METRIC_PREFIX}failure_rate{_COMPONENT_SELECTOR}",
            "Violations by validation; recorded.",
            "percentunit",
        ),
        _build_gauge_panel(
            "Committee", f"max by (node_or_service) ({_METRIC_PREFIX}committee_size)", "Members; recorded."
        ),
        _build_gauge_panel(
            "Committee as exported", f"max by (node_or_service) ({_METRIC_PREFIX}audit_committee_size)", "Members."
        ),
        _build_gauge_panel(
            "Overrides in force", f"max({_METRIC_PREFIX}emergency_override_active_count)", "Normally none."
        ),
        _build_rate_panel("Violations", "violations_total", "By severity.", "severity"),
        _build_rate_panel("Forbidden metrics", "forbidden_metric_attempts_total", "Attempts to collect them."),
        _build_rate_panel("Data revocations", "data_revocation_events_total", "By reason.", "reason"),
        _build_rate_panel(
            "Notices to the committee", "audit_committee_notifications_total", "By severity.", "severity"
        ),
        _build_rate_panel("Investigations", "investigation_initiated_total", "By initiator.", "initiated_by"),
        _build_rate_panel("Overrides executed", "emergency_override_total", "By reason.", "reason"),
        _build_gauge_panel(
            "Under investigation", f"sum by (severity) ({_METRIC_PREFIX}violations_under_investigation)", "By severity."
        ),
        _build_gauge_panel(
            "Age of the policies",
            f"time() - max by (node_or_service) ({_METRIC_PREFIX}policy_last_load_timestamp{_COMPONENT_SELECTOR})",
            "Since they were last loaded.",
            "s",
        ),
        _build_p99_panel(
            "Validation p99", "metric_validation_latency_ns", "Never above the largest bucket, 10 ms.", "ns"
        ),
        _build_p99_panel("Policy load p99", "policy_load_duration_ms", "While policies are loaded.", "ms"),
        _build_p99_panel("Report p99", "violation_report_latency_ms", "From detection to escalation.", "ms"),
        _build_p99_panel("Notification p99", "committee_notification_latency_ms", "Of the committee.", "ms"),
        _build_p99_panel("Revocation p99", "data_revocation_latency_ms", "Of data.", "ms"),
    ),
)
