"""The board of Charter: its fifteen metrics, and the four that are recorded of them."""

from deploy.tools.dashboards.panel import Board, Panel, Variable

_P = "westworld_charter_"
_OF = '{node_or_service=~"$component"}'
_UI = "${temporal_ui}/namespaces/${namespace}/workflows?query="


def _rate(title: str, name: str, about: str, by: str = "node_or_service") -> Panel:
    expr = f"sum by ({by}) (rate({_P}{name}{_OF}[$__rate_interval]))"
    return Panel(title, about, ((f"{{{{{by}}}}}", expr),), unit="cps")


def _p99(title: str, name: str, about: str, unit: str) -> Panel:
    quantile = (
        f"histogram_quantile(0.99, sum by (node_or_service, le) (rate({_P}{name}_bucket{_OF}[$__rate_interval])))"
    )
    # A component that had nothing to time has no quantile: left out, where NaN would be drawn as a gap.
    return Panel(title, about, (("{{node_or_service}}", f"{quantile} >= 0"),), unit=unit)


def _gauge(title: str, expr: str, about: str, unit: str = "short") -> Panel:
    return Panel(title, about, (("{{node_or_service}}", expr),), unit=unit)


CHARTER = Board(
    uid="mapek-charter",
    title="MAPE-K: Charter",
    variables=(
        Variable("component", query=f"label_values({_P}throughput_ops_per_sec, node_or_service)", several=True),
        Variable("temporal_ui", fixed="http://localhost:8233"),
        Variable("namespace", fixed="mapek"),
    ),
    links=(("Remediations in Temporal", f"{_UI}WorkflowType%3D%22Remediation%22"),),
    panels=(
        _gauge("Throughput", f"{_P}throughput_ops_per_sec{_OF}", "Validations a second; recorded.", "ops"),
        _gauge("Validation latency", f"{_P}validation_latency_seconds{_OF}", "Mean; recorded.", "s"),
        _gauge("Failure rate", f"{_P}failure_rate{_OF}", "Violations by validation; recorded.", "percentunit"),
        _gauge("Committee", f"max by (node_or_service) ({_P}committee_size)", "Members; recorded."),
        _gauge("Committee as exported", f"max by (node_or_service) ({_P}audit_committee_size)", "Members."),
        _gauge("Overrides in force", f"max({_P}emergency_override_active_count)", "Normally none."),
        _rate("Violations", "violations_total", "Found, by severity.", "severity"),
        _rate("Forbidden metrics", "forbidden_metric_attempts_total", "Attempts to collect them."),
        _rate("Data revocations", "data_revocation_events_total", "By reason.", "reason"),
        _rate("Notices to the committee", "audit_committee_notifications_total", "By severity.", "severity"),
        _rate("Investigations", "investigation_initiated_total", "By who opened them.", "initiated_by"),
        _rate("Overrides executed", "emergency_override_total", "By reason.", "reason"),
        _gauge("Under investigation", f"sum by (severity) ({_P}violations_under_investigation)", "By severity."),
        _gauge(
            "Age of the policies",
            f"time() - max by (node_or_service) ({_P}policy_last_load_timestamp{_OF})",
            "Since they were last loaded.",
            "s",
        ),
        _p99("Validation p99", "metric_validation_latency_ns", "Never above the largest bucket, 10 ms.", "ns"),
        _p99("Policy load p99", "policy_load_duration_ms", "While policies are loaded.", "ms"),
        _p99("Report p99", "violation_report_latency_ms", "From detection to escalation.", "ms"),
        _p99("Notification p99", "committee_notification_latency_ms", "Of the committee.", "ms"),
        _p99("Revocation p99", "data_revocation_latency_ms", "Of data.", "ms"),
    ),
)
