"""The board of one loop: does it watch, what does it find, what does it do, and does that help?"""

from deploy.tools.dashboards.panel import Dashboard, Panel, Variable

HELPFUL_OUTCOMES = "fixed|improved"
UNHELPFUL_OUTCOMES = "no_effect|worse|rolled_back"
"""Endings of remediations that changed something at Charter and did not help."""

_LOOP_SELECTOR = '{loop="$loop"}'
_TEMPORAL_WORKFLOWS_URL = "${temporal_ui}/namespaces/${namespace}/workflows?query="

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
            f"{_TEMPORAL_WORKFLOWS_URL}MapekLoop%3D%22${{loop}}%22%20AND%20WorkflowType%3D%22Remediation%22",
        ),
        (
            "Waiting for a person",
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
            "Seconds since the loop last looked at Charter: beyond two periods it watches nothing.",
            (("since the last cycle", f"time() - max(mapek_last_cycle_timestamp_seconds{_LOOP_SELECTOR})"),),
            unit="s",
        ),
        Panel(
            "Ticks that did not start",
            "Skipped: the cycle before still ran. Missed: no server ran in time.",
            (
                ("skipped", f"max(delta(mapek_schedule_skipped_total{_LOOP_SELECTOR}[$__rate_interval]))"),
                ("missed", f"max(delta(mapek_schedule_missed_total{_LOOP_SELECTOR}[$__rate_interval]))"),
            ),
        ),
        Panel(
            "Cycles by outcome",
            "What each cycle concluded; busy counts as planned.",
            (("{{outcome}}", f"sum by (outcome) (increase(mapek_cycles_total{_LOOP_SELECTOR}[$__rate_interval]))"),),
        ),
        Panel(
            "Cycles by trigger",
            "schedule, alert or manual.",
            (("{{trigger}}", f"sum by (trigger) (increase(mapek_cycles_total{_LOOP_SELECTOR}[$__rate_interval]))"),),
        ),
        Panel(
            "Found",
            "Violated (component, metric) pairs, and signals that could not be judged: nothing acts on those.",
            (
                ("violated", f"max(mapek_violations{_LOOP_SELECTOR})"),
                ("blind", f"max(mapek_blind_spots{_LOOP_SELECTOR})"),
            ),
        ),
        Panel(
            "Blocked by reason",
            "Decisions that a guard stopped, by its rule. Nought is shown only while cycles are seen.",
            (
                (
                    "{{reason}}",
                    f"sum by (reason) (increase(mapek_blocked_total{_LOOP_SELECTOR}[$__rate_interval]))"
                    f" or 0 * sum(rate(mapek_cycles_total{_LOOP_SELECTOR}[$__rate_interval]))",
                ),
            ),
        ),
        Panel(
            "Remediations by outcome",
            "How they ended: a verdict, rolled back, or why nothing was applied.",
            (
                (
                    "{{outcome}}",
                    f"sum by (outcome) (increase(mapek_remediations_total{_LOOP_SELECTOR}[$__rate_interval]))",
                ),
            ),
        ),
        Panel(
            "Rollbacks",
            "Steps undone at Charter. A failed one locks its knob until a person releases it.",
            (("{{result}}", f"sum by (result) (increase(mapek_rollbacks_total{_LOOP_SELECTOR}[$__rate_interval]))"),),
        ),
        Panel(
            "False actions",
            "Changes at Charter that did not help, as a share of all that were judged.",
            (
                (
                    "did not help",
                    f'sum(mapek_remediations_total{{loop="$loop",outcome=~"{UNHELPFUL_OUTCOMES}"}})'
                    f' / (sum(mapek_remediations_total{{loop="$loop",outcome=~"{HELPFUL_OUTCOMES}|{UNHELPFUL_OUTCOMES}"}}) > 0)',
                ),
            ),
            unit="percentunit",
        ),
        Panel(
            "MTTD",
            "From onset to detection, mean of all incidents that are over. Empty until there is one.",
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
            "From onset to the end, mean of all incidents that are over. Empty until there is one.",
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
            "Incidents over, knobs locked",
            "A locked knob is quarantined: a rollback failed, and a person has to look.",
            (
                ("incidents over", "max by (charter) (mapek_incidents_closed_total)"),
                ("knobs locked", f"max(mapek_quarantined_knobs{_LOOP_SELECTOR})"),
            ),
        ),
        Panel(
            "Alerts",
            "What Alertmanager posted; repeats were told before and start nothing.",
            (
                ("{{status}}", "sum by (status) (increase(mapek_alerts_received_total[$__rate_interval]))"),
                ("repeats", "sum(increase(mapek_alerts_deduplicated_total[$__rate_interval]))"),
            ),
        ),
        Panel(
            "Answering Alertmanager",
            "Alertmanager gives up after its own time-out and posts again.",
            (
                (
                    "p95",
                    "histogram_quantile(0.95, sum by (le) (rate(mapek_webhook_seconds_bucket[$__rate_interval])))",
                ),
            ),
            unit="s",
        ),
    ),
)
