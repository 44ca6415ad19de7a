"""What the worker counts, under Prometheus's naming: base units, counters end in `_total`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""From a store look-up to a verification of minutes."""

_DurationHistogram = partial(Histogram, buckets=_BUCKETS_SECONDS)

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


@dataclass(frozen=True)
class MetricSpec(Generic[_Metric]):
    """One line of the table below; read from a `Metrics` it is the metric in that one's registry."""

    metric_class: Callable[..., _Metric]
    name: str
    label_names: tuple[str, ...]
    help_text: str

    def __get__(self, metrics: "Metrics", _: type["Metrics"]) -> _Metric:
        made: _Metric = metrics.by_name[self.name]
        return made


class Metrics:
    """All `mapek_*` metrics of one process, in the registry that is given."""

    # One metric, two lines: kind, name and labels; what it means.
    # fmt: off

    # Cycles and what they see
    cycles = MetricSpec(Counter, "mapek_cycles_total", ("loop", "trigger", "outcome"),
        "Cycles that ended, by how they were started (schedule, alert, manual) and by MapekOutcome.")
    activity_seconds = MetricSpec(_DurationHistogram, "mapek_cycle_activity_seconds", ("activity",),
        "Seconds one attempt of an activity took, failed ones included.")
    activity_errors = MetricSpec(Counter, "mapek_activity_errors_total", ("activity", "error"),
        "Attempts of activities that failed, by class of the error family.")
    blocked = MetricSpec(Counter, "mapek_blocked_total", ("loop", "reason"),
        "Decisions, plans and steps a guard stopped, by its rule (cool-down, budget, storm, window, store, ...).")
    violations = MetricSpec(Gauge, "mapek_violations", ("loop",),
        "Violated (component, metric) pairs at the last monitored instant.")
    blind_spots = MetricSpec(Gauge, "mapek_blind_spots", ("loop",),
        "Signals that could not be judged at the last monitored instant: missing, stale, NaN or contradictory.")
    last_cycle = MetricSpec(Gauge, "mapek_last_cycle_timestamp_seconds", ("loop",),
        "Unix time at which this worker last monitored the loop: what to alert on when a loop falls silent.")
    schedule_skipped = MetricSpec(Gauge, "mapek_schedule_skipped_total", ("loop",),
        "Cycles the schedule dropped because the one before still ran, as Temporal counts them since its creation.")
    schedule_missed = MetricSpec(Gauge, "mapek_schedule_missed_total", ("loop",),
        "Cycles the schedule missed because no server ran in time, as Temporal counts them since its creation.")
    mode = MetricSpec(Gauge, "mapek_mode", ("loop", "mode"),
        "1 for the mode a loop is in (act, observe, stopped), 0 for the others.")

    # Remediations, and the incidents they end
    remediations = MetricSpec(Counter, "mapek_remediations_total", ("loop", "outcome"),
        "Remediations whose outcome was recorded, by MapekOutcome.")
    rollbacks = MetricSpec(Counter, "mapek_rollbacks_total", ("loop", "result"),
        "Steps that were undone at Charter, by result: done, nothing (there was nothing to undo) or failed.")
    quarantined = MetricSpec(Gauge, "mapek_quarantined_knobs", ("loop",),
        "Knobs that are locked until a person releases them, because a rollback failed.")
    incidents_closed = MetricSpec(Gauge, "mapek_incidents_closed_total", ("charter",),
        "Incidents that are over, as the store counts them: the same on every worker.")
    detection_seconds = MetricSpec(Gauge, "mapek_incident_detection_seconds_total", ("charter",),
        "Seconds from onset to detection of all incidents that are over; by their number it is MTTD.")
    repair_seconds = MetricSpec(Gauge, "mapek_incident_repair_seconds_total", ("charter",),
        "Seconds from onset to the end of all incidents that are over; by their number it is MTTR.")

    # Alerts
    alerts_received = MetricSpec(Counter, "mapek_alerts_received_total", ("status",),
        "Alerts that were taken in, by what they say: firing or resolved. Repeats count.")
    alerts_deduplicated = MetricSpec(Counter, "mapek_alerts_deduplicated_total", (),
        "Alerts that were told before (same fingerprint, start and status), as far as this process remembers.")
    alerts_ignored = MetricSpec(Counter, "mapek_alerts_ignored_total", ("reason",),
        "Alerts that started nothing by themselves: by route, or because the sender truncated them.")
    alerts_active = MetricSpec(Gauge, "mapek_alerts_active", ("loop",),
        "Alerts Alertmanager held when the loop last asked it, muted ones included, told to the webhook or not.")
    alert_signals = MetricSpec(Counter, "mapek_alert_signals_total", ("loop",),
        "Signals with alerts that Temporal accepted.")
    webhook_seconds = MetricSpec(_DurationHistogram, "mapek_webhook_seconds", ("status",),
        "Seconds until a POST of alerts was answered, by HTTP status.")

    # People
    notifications = MetricSpec(Counter, "mapek_notifications_total", ("target", "result"),
        "Attempts to tell people something, by target and by result: sent or failed (tried again later).")

    # The worker and Temporal
    reloads = MetricSpec(Counter, "mapek_config_reloads_total", ("result",),
        "Changes of the configuration file, by result: taken, or refused (the last good one stays).")
    workflow_task_failures = MetricSpec(Counter, "mapek_workflow_task_failures_total", ("task_queue",),
        "Workflow tasks that failed in this process: workflow code raised, or does not replay.")
    task_wait = MetricSpec(_DurationHistogram, "mapek_task_wait_seconds", ("task_queue", "kind"),
        "Seconds a task waited at Temporal until this worker took it, by kind: workflow or activity.")
    slots = MetricSpec(Gauge, "mapek_worker_slots_available", ("task_queue", "worker_type"),
        "Tasks of a kind this worker could take at once beside those it works on; at 0 further ones wait.")
    pollers = MetricSpec(Gauge, "mapek_worker_pollers", ("task_queue", "poller_type"),
        "Requests for tasks this worker keeps open at Temporal, by kind of poller.")
    cached_workflows = MetricSpec(Gauge, "mapek_worker_cached_workflows", ("task_queue",),
        "Open workflows this worker remembers and need not replay.")
    request_failures = MetricSpec(Counter, "mapek_temporal_request_failures_total", ("operation",),
        "Calls of Temporal that failed, by operation; the SDK tries most of them again.")
    # fmt: on

    def __init__(self, registry: CollectorRegistry) -> None:
        # A second series beside each counter, with the time of its birth, that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
        self.registry = registry
        rows = [row for row in vars(Metrics).values() if isinstance(row, MetricSpec)]
        self.by_name: dict[str, Any] = {
            row.name: row.metric_class(row.name, row.help_text, row.label_names, registry=registry) for row in rows
        }

    def initialize_series(self, loops: Iterable[str], task_queues: Iterable[str]) -> None:
        """Show at 0 what would otherwise be born with its first event, of which no increase can be seen."""
        for loop in loops:
            for result in ("done", "nothing", "failed"):
                self.rollbacks.labels(loop, result)
            for outcome in ("fixed", "improved", "no_effect", "worse", "inconclusive", "rolled_back"):
                self.remediations.labels(loop, outcome)
        for queue in task_queues:
            self.workflow_task_failures.labels(queue)
        for result in ("taken", "refused"):
            self.reloads.labels(result)
        for status in ("firing", "resolved"):
            self.alerts_received.labels(status)
