"""Dashboard of the workers: waiting tasks, capacity and failures."""

from deploy.tools.dashboards.panel import Dashboard, Panel, Variable

_TEMPORAL_NAMESPACE_URL = "${temporal_ui}/namespaces/${namespace}"

_QUEUES = '{task_queue=~"mapek.*"}'


def _p95_wait(name: str) -> str:
    return f"histogram_quantile(0.95, sum by (task_queue, le) (rate({name}_bucket{_QUEUES}[$__rate_interval]))) >= 0"


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
            "p95 of the time a task waited at Temporal. Above 5 s: start more workers.",
            (
                ("workflow, {{task_queue}}", _p95_wait("temporal_workflow_task_schedule_to_start_latency")),
                ("activity, {{task_queue}}", _p95_wait("temporal_activity_schedule_to_start_latency")),
            ),
            unit="ms",
        ),
        Panel(
            "Free slots",
            "Further tasks that all workers together can run at the same time; at 0 tasks wait.",
            (
                (
                    "{{task_queue}} {{worker_type}}",
                    f"sum by (task_queue, worker_type) (temporal_worker_task_slots_available{_QUEUES})",
                ),
            ),
        ),
        Panel(
            "Pollers",
            "Open poll requests; a queue without any is not served.",
            (
                (
                    "{{task_queue}} {{poller_type}}",
                    f"sum by (task_queue, poller_type) (temporal_num_pollers{_QUEUES})",
                ),
            ),
        ),
        Panel(
            "Activities",
            "Attempts per second, failed ones included.",
            (("{{activity}}", "sum by (activity) (rate(mapek_activity_duration_seconds_count[$__rate_interval]))"),),
            unit="ops",
        ),
        Panel(
            "Duration of activities",
            "p95, failed attempts included.",
            (
                (
                    "{{activity}}",
                    "histogram_quantile(0.95, sum by (activity, le)"
                    " (rate(mapek_activity_duration_seconds_bucket[$__rate_interval]))) >= 0",
                ),
            ),
            unit="s",
        ),
        Panel(
            "Failed attempts",
            "By activity and class of error. Zero is shown only for activities that ran.",
            (
                (
                    "{{activity}} {{error}}",
                    "sum by (activity, error) (increase(mapek_activity_errors_total[$__rate_interval]))"
                    " or 0 * sum by (activity) (rate(mapek_activity_duration_seconds_count[$__rate_interval]))",
                ),
            ),
        ),
        Panel(
            "Failed workflow tasks",
            "Workflow code raised an error or does not replay: always a defect of this project.",
            (
                (
                    "{{task_queue}}",
                    "sum by (task_queue)"
                    f" (increase(temporal_workflow_task_execution_failed{_QUEUES}[$__rate_interval]))",
                ),
            ),
        ),
        Panel(
            "Failed calls of Temporal",
            "The SDK retries most of them. Zero is shown only while pollers exist.",
            (
                (
                    "{{operation}}",
                    "sum by (operation) (increase(temporal_request_failure[$__rate_interval])"
                    " or increase(temporal_long_request_failure[$__rate_interval]))"
                    f" or 0 * sum(temporal_num_pollers{_QUEUES})",
                ),
            ),
        ),
        Panel(
            "Cached workflows",
            "Open workflows that need no replay.",
            (("{{task_queue}}", f"sum by (task_queue) (temporal_sticky_cache_size{_QUEUES})"),),
        ),
    ),
)
