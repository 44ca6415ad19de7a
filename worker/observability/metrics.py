"""What the worker counts, under Prometheus's naming: base units, counters end in `_total`."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""From a store look-up to a verification of minutes."""

_Seconds = partial(Histogram, buckets=_SECONDS)

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)


@dataclass(frozen=True)
class _Row(Generic[_Metric]):
    """One line of the table below; read from a `Metrics` it is the metric in that one's registry."""

    kind: Callable[..., _Metric]
    name: str
    labels: tuple[str, ...]
    meaning: str

    def __get__(self, metrics: "Metrics", _: type["Metrics"]) -> _Metric:
        made: _Metric = metrics.made[self.name]
        return made


class Metrics:
    """All `mapek_*` metrics of one process, in the registry that is given."""

    # One metric, two lines: kind, name and labels; what it means.
    # fmt: off

    # Cycles and what they see
    cycles = _Row(Counter, "mapek_cycles_total", ("loop", "trigger", "outcome"),
        "Cycles that ended, by how they were started (schedule, alert, manual) and by MapekOutcome.")
    activity_seconds = _Row(_Seconds, "mapek_cycle_activity_seconds", ("activity",),
        "Seconds one attempt of an activity took, failed ones included.")
    activity_errors = _Row(Counter, "mapek_activity_errors_total", ("activity", "error"),
        "Attempts of activities that failed, by class of the error family.")
    blocked = _Row(Counter, "mapek_blocked_total", ("loop", "reason"),
        "Decisions, plans and steps a guard stopped, by its rule (cool-down, budget, storm, window, store, ...).")
    violations = _Row(Gauge, "mapek_violations", ("loop",),
        "Violated (component, metric) pairs at the last monitored instant.")
    blind_spots = _Row(Gauge, "mapek_blind_spots", ("loop",),
        "Signals that could not be judged at the last monitored instant: missing, stale, NaN or contradictory.")
    last_cycle = _Row(Gauge, "mapek_last_cycle_timestamp_seconds", ("loop",),
        "Unix time at which this worker last monitored the loop: what to alert on when a loop falls silent.")
    schedule_skipped = _Row(Gauge, "mapek_schedule_skipped_total", ("loop",),
        "Cycles the schedule dropped because the one before still ran, as Temporal counts them since its creation.")
    schedule_missed = _Row(Gauge, "mapek_schedule_missed_total", ("loop",),
        "Cycles the schedule missed because no server ran in time, as Temporal counts them since its creation.")
    mode = _Row(Gauge, "mapek_mode", ("loop", "mode"),
        "1 for the mode a loop is in (act, observe, stopped), 0 for the others.")

    # Remediations, and the incidents they end
    remediations = _Row(Counter, "mapek_remediations_total", ("loop", "outcome"),
        "Remediations whose outcome was recorded, by MapekOutcome.")
    rollbacks = _Row(Counter, "mapek_rollbacks_total", ("loop", "result"),
        "Steps that were undone at Charter, by result: done, nothing (there was nothing to undo) or failed.")
    quarantined = _Row(Gauge, "mapek_quarantined_knobs", ("loop",),
        "Knobs that are locked until a person releases them, because a rollback failed.")
    incidents_closed = _Row(Gauge, "mapek_incidents_closed_total", ("charter",),
        "Incidents that are over, as the store counts them: the same on every worker.")
    detection_seconds = _Row(Gauge, "mapek_incident_detection_seconds_total", ("charter",),
        "Seconds from onset to detection of all incidents that are over; by their number it is MTTD.")
    repair_seconds = _Row(Gauge, "mapek_incident_repair_seconds_total", ("charter",),
        "Seconds from onset to the end of all incidents that are over; by their number it is MTTR.")

    # Alerts
    alerts_received = _Row(Counter, "mapek_alerts_received_total", ("status",),
        "Alerts that were taken in, by what they say: firing or resolved. Repeats count.")
    alerts_deduplicated = _Row(Counter, "mapek_alerts_deduplicated_total", (),
        "Alerts that were told before (same fingerprint, start and status), as far as this process remembers.")
    alerts_ignored = _Row(Counter, "mapek_alerts_ignored_total", ("reason",),
        "Alerts that started nothing by themselves: by route, or because the sender truncated them.")
    alerts_active = _Row(Gauge, "mapek_alerts_active", ("loop",),
        "Alerts Alertmanager held when the loop last asked it, muted ones included, told to the webhook or not.")
    alert_signals = _Row(Counter, "mapek_alert_signals_total", ("loop",),
        "Signals with alerts that Temporal accepted.")
    webhook_seconds = _Row(_Seconds, "mapek_webhook_seconds", ("status",),
        "Seconds until a POST of alerts was answered, by HTTP status.")

    # People
    notices = _Row(Counter, "mapek_notifications_total", ("target", "result"),
        "Attempts to tell people something, by target and by result: sent or failed (tried again later).")

    # The worker and Temporal
    reloads = _Row(Counter, "mapek_config_reloads_total", ("result",),
        "Changes of the configuration file, by result: taken, or refused (the last good one stays).")
    workflow_task_failures = _Row(Counter, "mapek_workflow_task_failures_total", ("task_queue",),
        "Workflow tasks that failed in this process: workflow code raised, or does not replay.")
    task_wait = _Row(_Seconds, "mapek_task_wait_seconds", ("task_queue", "kind"),
        "Seconds a task waited at Temporal until this worker took it, by kind: workflow or activity.")
    slots = _Row(Gauge, "mapek_worker_slots_available", ("task_queue", "worker_type"),
        "Tasks of a kind this worker could take at once beside those it works on; at 0 further ones wait.")
    pollers = _Row(Gauge, "mapek_worker_pollers", ("task_queue", "poller_type"),
        "Requests for tasks this worker keeps open at Temporal, by kind of poller.")
    cached_workflows = _Row(Gauge, "mapek_worker_cached_workflows", ("task_queue",),
        "Open workflows this worker remembers and need not replay.")
    request_failures = _Row(Counter, "mapek_temporal_request_failures_total", ("operation",),
        "Calls of Temporal that failed, by operation; the SDK tries most of them again.")
    # fmt: on

    def __init__(self, registry: CollectorRegistry) -> None:
        # A second series beside each counter, with the time of its birth, that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
        self.registry = registry
        rows = [row for row in vars(Metrics).values() if isinstance(row, _Row)]
        self.made: dict[str, Any] = {
            row.name: row.kind(row.name, row.meaning, row.labels, registry=registry) for row in rows
        }

    def begin(self, loops: Iterable[str], queues: Iterable[str]) -> None:
        """Show at 0 what would otherwise be born with its first event, of which no increase can be seen."""
        for loop in loops:
            for result in ("done", "nothing", "failed"):
                self.rollbacks.labels(loop, result)
            for outcome in ("fixed", "improved", "no_effect", "worse", "inconclusive", "rolled_back"):
                self.remediations.labels(loop, outcome)
        for queue in queues:
            self.workflow_task_failures.labels(queue)
        for result in ("taken", "refused"):
            self.reloads.labels(result)
        for status in ("firing", "resolved"):
            self.alerts_received.labels(status)
