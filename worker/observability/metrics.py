"""The metrics of a worker, named as Prometheus recommends: base units, counters end in `_total`.

Metrics of the Temporal SDK keep the SDK's names and units, so that Temporal's public dashboards fit.
"""

import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from activities.model.remediation_outcome import CONSEQUENCES

_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""From a store look-up to a verification of minutes."""

_DurationHistogram = partial(Histogram, buckets=_BUCKETS_SECONDS)
_MillisecondsHistogram = partial(Histogram, buckets=[1000.0 * seconds for seconds in _BUCKETS_SECONDS])


class MirroredCounter(Counter):
    """A counter whose total another system keeps, so that every worker shows the same value."""

    def mirror(self, total: float) -> None:
        """Show this total."""
        self.reset()
        self.inc(total)


class SdkCounter(Gauge):
    """A counter with the name the Temporal SDK gives it; `Counter` would append `_total`."""

    _type = "unknown"


_Metric = TypeVar("_Metric", Counter, MirroredCounter, SdkCounter, Gauge, Histogram)


@dataclass(frozen=True)
class MetricSpec(Generic[_Metric]):
    """One row of the table below. Read from a `Metrics`, it is the metric in that instance's registry."""

    metric_class: Callable[..., _Metric]
    name: str
    label_names: tuple[str, ...]
    help_text: str

    def __get__(self, metrics: "Metrics", _: type["Metrics"]) -> _Metric:
        metric: _Metric = metrics.by_name[self.name]
        return metric


class Metrics:
    """All metrics of one process, in the registry that is given."""

    # One metric, two lines: kind, name and labels; meaning.
    # fmt: off

    # Cycles and what they find
    cycles = MetricSpec(Counter, "mapek_cycles_total", ("loop", "trigger", "outcome"),
        "Cycles that ended, by trigger (schedule, alert, manual) and by MapekOutcome.")
    activity_duration = MetricSpec(_DurationHistogram, "mapek_activity_duration_seconds", ("activity",),
        "Duration of one attempt of an activity, failed attempts included.")
    activity_errors = MetricSpec(Counter, "mapek_activity_errors_total", ("activity", "error"),
        "Failed attempts of activities, by class of error.")
    blocked = MetricSpec(Counter, "mapek_blocked_total", ("loop", "rule"),
        "Decisions, plans and steps that a guard stopped, by its rule (cool-down, budget, storm, window, store, ...).")
    violations = MetricSpec(Gauge, "mapek_violations", ("loop",),
        "Violated (component, metric) pairs at the last monitored instant.")
    blind_spots = MetricSpec(Gauge, "mapek_blind_spots", ("loop",),
        "Signals that could not be judged at the last monitored instant: missing, stale, NaN or contradictory.")
    last_cycle = MetricSpec(Gauge, "mapek_last_cycle_timestamp_seconds", ("loop",),
        "Unix time at which this worker last monitored the loop. Alert on its age.")
    schedule_skipped = MetricSpec(MirroredCounter, "mapek_schedule_skipped_total", ("loop",),
        "Cycles the schedule dropped because the previous one still ran, as Temporal counts them since its creation.")
    schedule_missed = MetricSpec(MirroredCounter, "mapek_schedule_missed_total", ("loop",),
        "Cycles the schedule missed because no server ran in time, as Temporal counts them since its creation.")
    mode = MetricSpec(Gauge, "mapek_mode", ("loop", "mode"),
        "1 for the mode of the loop (act, observe, stopped), 0 for the others.")

    # Remediations and incidents
    remediations = MetricSpec(Counter, "mapek_remediations_total", ("loop", "outcome"),
        "Remediations whose outcome was recorded, by MapekOutcome.")
    rollbacks = MetricSpec(Counter, "mapek_rollbacks_total", ("loop", "result"),
        "Steps that were undone at Charter, by result: done, nothing (there was nothing to undo) or failed.")
    quarantined = MetricSpec(Gauge, "mapek_quarantined_knobs", ("loop",),
        "Knobs locked after a failed rollback, until an operator releases them.")
    incidents_closed = MetricSpec(MirroredCounter, "mapek_incidents_closed_total", ("charter",),
        "Closed incidents, as the store counts them: the same on every worker.")
    incident_detection = MetricSpec(MirroredCounter, "mapek_incident_detection_seconds_total", ("charter",),
        "Seconds from onset to detection, summed over all closed incidents; divided by their number it is MTTD.")
    incident_repair = MetricSpec(MirroredCounter, "mapek_incident_repair_seconds_total", ("charter",),
        "Seconds from onset to closing, summed over all closed incidents; divided by their number it is MTTR.")

    # Alerts
    alerts_received = MetricSpec(Counter, "mapek_alerts_received_total", ("status",),
        "Accepted alerts, by status: firing or resolved. Repeats count.")
    alerts_deduplicated = MetricSpec(Counter, "mapek_alerts_deduplicated_total", (),
        "Accepted alerts that repeat an earlier one (same fingerprint, start and status) known to this process.")
    alerts_ignored = MetricSpec(Counter, "mapek_alerts_ignored_total", ("reason",),
        "Alerts that started no cycle: excluded by a route, or truncated by the sender.")
    alerts_invalid = MetricSpec(Counter, "mapek_alerts_invalid_total", ("field", "remedy"),
        "Alerts with an invalid or overlong field, by field and remedy: dropped, or kept without the value.")
    alerts_active = MetricSpec(Gauge, "mapek_alerts_active", ("loop",),
        "Active alerts in Alertmanager at the loop's last request, muted ones included.")
    alert_signals = MetricSpec(Counter, "mapek_alert_signals_total", ("loop",),
        "Signals with alerts that Temporal accepted.")
    webhook_duration = MetricSpec(_DurationHistogram, "mapek_webhook_duration_seconds", ("status",),
        "Duration of a POST of alerts until its answer, by HTTP status.")

    # Operators
    notifications = MetricSpec(Counter, "mapek_notifications_total", ("target", "result"),
        "Attempts to notify a target, by result: sent or failed (retried later).")

    # The worker
    build_info = MetricSpec(Gauge, "mapek_build_info", ("version", "python", "temporalio"),
        "Always 1; the labels are the versions of the worker, of Python and of the Temporal SDK.")
    reloads = MetricSpec(Counter, "mapek_config_reloads_total", ("result",),
        "Changes of the configuration file, by result: taken, or refused (the last valid one stays in force).")

    # The Temporal SDK
    workflow_task_failures = MetricSpec(
        SdkCounter, "temporal_workflow_task_execution_failed", ("namespace", "task_queue", "workflow_type"),
        "Workflow tasks that failed in this process: workflow code raised, or does not replay.")
    workflow_task_wait = MetricSpec(
        _MillisecondsHistogram, "temporal_workflow_task_schedule_to_start_latency",
        ("namespace", "task_queue", "workflow_type"),
        "Milliseconds a workflow task waited at Temporal until this worker took it.")
    activity_wait = MetricSpec(
        _MillisecondsHistogram, "temporal_activity_schedule_to_start_latency",
        ("namespace", "task_queue", "activity_type"),
        "Milliseconds an activity task waited at Temporal until this worker took it.")
    slots = MetricSpec(
        Gauge, "temporal_worker_task_slots_available", ("namespace", "task_queue", "worker_type"),
        "Further tasks of a kind that this worker can run at the same time; at 0 tasks wait.")
    pollers = MetricSpec(Gauge, "temporal_num_pollers", ("namespace", "task_queue", "poller_type"),
        "Open poll requests of this worker, by kind of poller.")
    cached_workflows = MetricSpec(Gauge, "temporal_sticky_cache_size", ("namespace", "task_queue"),
        "Open workflows in this worker's cache, which need no replay.")
    request_failures = MetricSpec(SdkCounter, "temporal_request_failure", ("namespace", "operation"),
        "Failed calls of Temporal, by operation; the SDK retries most of them.")
    long_request_failures = MetricSpec(SdkCounter, "temporal_long_request_failure", ("namespace", "operation"),
        "Failed long polls of Temporal, by operation; the SDK retries them.")
    # fmt: on

    def __init__(self, registry: CollectorRegistry) -> None:
        # Otherwise each counter has a second series with its time of creation, which no rule uses.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
        self.registry = registry
        self.specs = {spec.name: spec for spec in vars(Metrics).values() if isinstance(spec, MetricSpec)}
        self.by_name: dict[str, Any] = {
            name: spec.metric_class(name, spec.help_text, spec.label_names, registry=registry)
            for name, spec in self.specs.items()
        }
        self.build_info.labels(version("mapek"), platform.python_version(), version("temporalio")).set(1)

    def initialize_series(self, loops: Iterable[str], task_queues: Iterable[str], namespace: str = "default") -> None:
        """Create series at 0: the first event of a series that did not exist is no increase to Prometheus."""
        for loop in loops:
            for result in ("done", "nothing", "failed"):
                self.rollbacks.labels(loop, result)
            for outcome in (o for o, consequences in CONSEQUENCES.items() if consequences.has_initial_series):
                self.remediations.labels(loop, outcome)
        for queue in task_queues:
            self.workflow_task_failures.labels(namespace, queue, "")
        for result in ("taken", "refused"):
            self.reloads.labels(result)
        for status in ("firing", "resolved"):
            self.alerts_received.labels(status)
