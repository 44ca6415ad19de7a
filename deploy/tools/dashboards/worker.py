"""The board of the workers: do they keep up with Temporal, and does what they run succeed?"""

from deploy.tools.dashboards.panel import Dashboard, Panel, Variable

_TEMPORAL_NAMESPACE_URL = "${temporal_ui}/namespaces/${namespace}"

WORKER_DASHBOARD = Dashboard(
    uid="mapek-worker",
    title="MAPE-K: Temporal worker",
    variables=(
        Variable("temporal_ui", textbox_default="http://localhost:8233"),
        Variable("namespace", textbox_default="mapek"),
    ),
    links=(
        ("Workers in Temporal", f"{_TEMPORAL_NAMESPACE_URL}/task-queues/mapek"),
        ("Failed workflows", f"{_TEMPORAL_NAMESPACE_URL}/workflows?query=ExecutionStatus%3D%22Failed%22"),
    ),
    panels=(
        Panel(
            "Waiting for a worker",
            "p95 of the seconds a task lay at Temporal. Above 5 s: more workers.",
            (
                (
                    "{{task_queue}} {{kind}}",
                    "histogram_quantile(0.95, sum by (task_queue, kind, le)"
                    " (rate(mapek_task_wait_seconds_bucket[$__rate_interval]))) >= 0",
                ),
            ),
            unit="s",
        ),
        Panel(
            "Free slots",
            "Tasks all workers together could take at once; at nought tasks wait.",
            (("{{task_queue}} {{worker_type}}", "sum by (task_queue, worker_type) (mapek_worker_slots_available)"),),
        ),
        Panel(
            "Pollers",
            "Open requests for tasks; without any on a queue nothing of it runs.",
            (("{{task_queue}} {{poller_type}}", "sum by (task_queue, poller_type) (mapek_worker_pollers)"),),
        ),
        Panel(
            "Activities",
            "Attempts a second, failed ones included.",
            (("{{activity}}", "sum by (activity) (rate(mapek_cycle_activity_seconds_count[$__rate_interval]))"),),
            unit="ops",
        ),
        Panel(
            "Time an activity takes",
            "p95, failed attempts included.",
            (
                (
                    "{{activity}}",
                    "histogram_quantile(0.95, sum by (activity, le)"
                    " (rate(mapek_cycle_activity_seconds_bucket[$__rate_interval]))) >= 0",
                ),
            ),
            unit="s",
        ),
        Panel(
            "Failed attempts",
            "By activity and class of error. Nought is shown only for activities that are seen.",
            (
                (
                    "{{activity}} {{error}}",
                    "sum by (activity, error) (increase(mapek_activity_errors_total[$__rate_interval]))"
                    " or 0 * sum by (activity) (rate(mapek_cycle_activity_seconds_count[$__rate_interval]))",
                ),
            ),
        ),
        Panel(
            "Workflow tasks that failed",
            "Workflow code raised, or does not replay: always a mistake of ours.",
            (
                (
                    "{{task_queue}}",
                    "sum by (task_queue) (increase(mapek_workflow_task_failures_total[$__rate_interval]))",
                ),
            ),
        ),
        Panel(
            "Calls of Temporal that failed",
            "Most are tried again. Nought is shown only while pollers are seen.",
            (
                (
                    "{{operation}}",
                    "sum by (operation) (increase(mapek_temporal_request_failures_total[$__rate_interval]))"
                    " or 0 * sum(mapek_worker_pollers)",
                ),
            ),
        ),
        Panel(
            "Workflows remembered",
            "Open workflows that need no replay.",
            (("{{task_queue}}", "sum by (task_queue) (mapek_worker_cached_workflows)"),),
        ),
    ),
)
