"""Dashboard of one loop: its cycles, violations, remediations and their outcomes."""

from deploy.tools.dashboards.panel import Dashboard, Panel, Variable

HELPFUL_OUTCOMES = "fixed|improved"
UNHELPFUL_OUTCOMES = "no_effect|worse|rolled_back"
"""Outcomes of remediations that changed Charter and did not help."""

_LOOP_SELECTOR = '{loop="$loop"}'
_TEMPORAL_WORKFLOWS_URL = "${temporal_ui}/namespaces/${namespace}/workflows?query="


def _count_outcomes(pattern: str) -> str:
    return f'sum(mapek_remediations_total{{loop="$loop",outcome=~"{pattern}"}})'


LOOP_DASHBOARD = Dashboard(
    uid="mapek-loop",
    title="MAPE-K: the loop",
    variables=(
        Variable("loop", query="label_values(mapek_mode, loop)"),
        Variable("temporal_ui", textbox_default="http://localhost:8233"),
        Variable("namespace", textbox_default="mapek"),
    ),
    links=(
        (
            "Cycles in Temporal",
            f"{_TEMPORAL_WORKFLOWS_URL}MapekLoop%3D%22${{loop}}%22%20AND%20WorkflowType%3D%22MapekCycle%22",
        ),
        (
            "Remediations in Temporal",
            f"{_TEMPORAL_WORKFLOWS_URL}MapekLoop%3D%22${{loop}}%22%20AND%20WorkflowType%3D%22MapekRemediation%22",
        ),
        (
            "Waiting for an operator",
            f"{_TEMPORAL_WORKFLOWS_URL}MapekPhase%20IN%20(%22awaiting-approval%22%2C%22quarantined%22)",
        ),
    ),
    panels=(
        Panel(
            "Mode",
            "act, observe or stopped. `mapek resume` and `mapek pause` change it.",
            (("{{mode}}", f"max by (mode) (mapek_mode{_LOOP_SELECTOR}) == 1"),),
            kind="stat",
        ),
        Panel(
            "Lag",
            "Seconds since the loop last monitored Charter. Beyond two periods, cycles are missing.",
            (("since the last cycle", f"time() - max(mapek_last_cycle_timestamp_seconds{_LOOP_SELECTOR})"),),
            unit="s",
        ),
        Panel(
            "Dropped cycles",
            "Skipped: the previous cycle still ran. Missed: no server ran in time.",
            (
                ("skipped", f"max(increase(mapek_schedule_skipped_total{_LOOP_SELECTOR}[$__rate_interval]))"),
                ("missed", f"max(increase(mapek_schedule_missed_total{_LOOP_SELECTOR}[$__rate_interval]))"),
            ),
        ),
        Panel(
            "Cycles by outcome",
            "Outcomes of cycles; busy counts as planned.",
            (("{{outcome}}", f"sum by (outcome) (increase(mapek_cycles_total{_LOOP_SELECTOR}[$__rate_interval]))"),),
        ),
        Panel(
            "Cycles by trigger",
            "schedule, alert or manual.",
            (("{{trigger}}", f"sum by (trigger) (increase(mapek_cycles_total{_LOOP_SELECTOR}[$__rate_interval]))"),),
        ),
        Panel(
            "Violations and blind spots",
            "Violated (component, metric) pairs, and blind spots: signals that could not be judged.",
            (
                ("violated", f"max(mapek_violations{_LOOP_SELECTOR})"),
                ("blind spots", f"max(mapek_blind_spots{_LOOP_SELECTOR})"),
            ),
        ),
        Panel(
            "Blocked by rule",
            "Decisions that a guard stopped, by its rule. Zero is shown only while cycles run.",
            (
                (
                    "{{rule}}",
                    f"sum by (rule) (increase(mapek_blocked_total{_LOOP_SELECTOR}[$__rate_interval]))"
                    f" or 0 * sum(rate(mapek_cycles_total{_LOOP_SELECTOR}[$__rate_interval]))",
                ),
            ),
        ),
        Panel(
            "Remediations by outcome",
            "A verdict, rolled back, or the reason why nothing was applied.",
            (
                (
                    "{{outcome}}",
                    f"sum by (outcome) (increase(mapek_remediations_total{_LOOP_SELECTOR}[$__rate_interval]))",
                ),
            ),
        ),
        Panel(
            "Rollbacks",
            "Steps undone at Charter. A failed rollback locks its knob until an operator releases it.",
            (("{{result}}", f"sum by (result) (increase(mapek_rollbacks_total{_LOOP_SELECTOR}[$__rate_interval]))"),),
        ),
        Panel(
            "False actions",
            "Share of the verified changes at Charter that did not help.",
            (
                (
                    "did not help",
                    f"{_count_outcomes(UNHELPFUL_OUTCOMES)}"
                    f" / ({_count_outcomes(f'{HELPFUL_OUTCOMES}|{UNHELPFUL_OUTCOMES}')} > 0)",
                ),
            ),
            unit="percentunit",
        ),
        Panel(
            "MTTD",
            "Mean time from onset to detection of all closed incidents. Empty without any.",
            (
                (
                    "{{charter}}",
                    "max by (charter) (mapek_incident_detection_seconds_total)"
                    " / (max by (charter) (mapek_incidents_closed_total) > 0)",
                ),
            ),
            unit="s",
        ),
        Panel(
            "MTTR",
            "Mean time from onset to closing of all closed incidents. Empty without any.",
            (
                (
                    "{{charter}}",
                    "max by (charter) (mapek_incident_repair_seconds_total)"
                    " / (max by (charter) (mapek_incidents_closed_total) > 0)",
                ),
            ),
            unit="s",
        ),
        Panel(
            "Closed incidents, locked knobs",
            "A locked knob is quarantined: a rollback failed, and an operator must act.",
            (
                ("closed incidents", "max by (charter) (mapek_incidents_closed_total)"),
                ("locked knobs", f"max(mapek_quarantined_knobs{_LOOP_SELECTOR})"),
            ),
        ),
        Panel(
            "Alerts",
            "Alerts that Alertmanager posted; repeats start no cycle.",
            (
                ("{{status}}", "sum by (status) (increase(mapek_alerts_received_total[$__rate_interval]))"),
                ("repeats", "sum(increase(mapek_alerts_deduplicated_total[$__rate_interval]))"),
            ),
        ),
        Panel(
            "Duration of alert posts",
            "After its own timeout Alertmanager posts again.",
            (
                (
                    "p95",
                    "histogram_quantile(0.95,"
                    " sum by (le) (rate(mapek_webhook_duration_seconds_bucket[$__rate_interval])))",
                ),
            ),
            unit="s",
        ),
    ),
)
