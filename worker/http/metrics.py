"""What the worker counts, under Prometheus's naming: base units, counters end in `_total`."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""From a store look-up to a verification of minutes."""


class Metrics:
    """All `mapek_*` metrics of one process, in the registry that is given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # A second series beside each counter, with the time of its birth, that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        self.cycles = Counter(
            "mapek_cycles_total",
            "Cycles that ended, by how they were started (schedule, alert, manual) and by MapekOutcome.",
            ("loop", "trigger", "outcome"),
            registry=registry,
        )
        self.activity_seconds = Histogram(
            "mapek_cycle_activity_seconds",
            "Seconds one attempt of an activity took, failed ones included.",
            ("activity",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.activity_errors = Counter(
            "mapek_activity_errors_total",
            "Attempts of activities that failed, by class of the error family.",
            ("activity", "error"),
            registry=registry,
        )
        self.blocked = Counter(
            "mapek_blocked_total",
            "Decisions, plans and steps a guard stopped, by its rule (cool-down, budget, storm, window, store, ...).",
            ("loop", "reason"),
            registry=registry,
        )
        self.remediations = Counter(
            "mapek_remediations_total",
            "Remediations whose outcome was recorded, by MapekOutcome.",
            ("loop", "outcome"),
            registry=registry,
        )
        self.rollbacks = Counter(
            "mapek_rollbacks_total",
            "Steps that were undone at Charter, by result: done, nothing (there was nothing to undo) or failed.",
            ("loop", "result"),
            registry=registry,
        )
        self.violations = Gauge(
            "mapek_violations",
            "Violated (component, metric) pairs at the last monitored instant.",
            ("loop",),
            registry=registry,
        )
        self.blind_spots = Gauge(
            "mapek_blind_spots",
            "Signals that could not be judged at the last monitored instant: missing, stale, NaN or contradictory.",
            ("loop",),
            registry=registry,
        )
        self.schedule_skipped = Gauge(
            "mapek_schedule_skipped_total",
            "Cycles the schedule dropped because the one before still ran, as Temporal counts them since its creation.",
            ("loop",),
            registry=registry,
        )
        self.schedule_missed = Gauge(
            "mapek_schedule_missed_total",
            "Cycles the schedule missed because no server ran in time, as Temporal counts them since its creation.",
            ("loop",),
            registry=registry,
        )
        self.last_cycle = Gauge(
            "mapek_last_cycle_timestamp_seconds",
            "Unix time at which this worker last monitored the loop: what to alert on when a loop falls silent.",
            ("loop",),
            registry=registry,
        )
        self.alerts_received = Counter(
            "mapek_alerts_received_total",
            "Alerts that were taken in, by what they say: firing or resolved. Repeats count.",
            ("status",),
            registry=registry,
        )
        self.alerts_deduplicated = Counter(
            "mapek_alerts_deduplicated_total",
            "Alerts that were told before (same fingerprint, start and status), as far as this process remembers.",
            registry=registry,
        )
        self.alerts_ignored = Counter(
            "mapek_alerts_ignored_total",
            "Alerts that started nothing by themselves: by route, or because the sender truncated them.",
            ("reason",),
            registry=registry,
        )
        self.alerts_active = Gauge(
            "mapek_alerts_active",
            "Alerts Alertmanager held when the loop last asked it, muted ones included, told to the webhook or not.",
            ("loop",),
            registry=registry,
        )
        self.alert_signals = Counter(
            "mapek_alert_signals_total",
            "Signals with alerts that Temporal accepted.",
            ("loop",),
            registry=registry,
        )
        self.webhook_seconds = Histogram(
            "mapek_webhook_seconds",
            "Seconds until a POST of alerts was answered, by HTTP status.",
            ("status",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.notices = Counter(
            "mapek_notifications_total",
            "Attempts to tell people something, by target and by result: sent or failed (tried again later).",
            ("target", "result"),
            registry=registry,
        )
        self.reloads = Counter(
            "mapek_config_reloads_total",
            "Changes of the configuration file, by result: taken, or refused (the last good one stays).",
            ("result",),
            registry=registry,
        )
        self.mode = Gauge(
            "mapek_mode",
            "1 for the mode a loop is in (act, observe, stopped), 0 for the others.",
            ("loop", "mode"),
            registry=registry,
        )
        self.quarantined = Gauge(
            "mapek_quarantined_knobs",
            "Knobs that are locked until a person releases them, because a rollback failed.",
            ("loop",),
            registry=registry,
        )
        self.incidents_closed = Gauge(
            "mapek_incidents_closed_total",
            "Incidents that are over, as the store counts them: the same on every worker.",
            ("charter",),
            registry=registry,
        )
        self.detection_seconds = Gauge(
            "mapek_incident_detection_seconds_total",
            "Seconds from onset to detection of all incidents that are over; by their number it is MTTD.",
            ("charter",),
            registry=registry,
        )
        self.repair_seconds = Gauge(
            "mapek_incident_repair_seconds_total",
            "Seconds from onset to the end of all incidents that are over; by their number it is MTTR.",
            ("charter",),
            registry=registry,
        )
        self.workflow_task_failures = Counter(
            "mapek_workflow_task_failures_total",
            "Workflow tasks that failed in this process: workflow code raised, or does not replay.",
            ("task_queue",),
            registry=registry,
        )
        self.task_wait = Histogram(
            "mapek_task_wait_seconds",
            "Seconds a task waited at Temporal until this worker took it, by kind: workflow or activity.",
            ("task_queue", "kind"),
            buckets=_SECONDS,
            registry=registry,
        )
        self.slots = Gauge(
            "mapek_worker_slots_available",
            "Tasks of a kind this worker could take at once beside those it works on; at 0 further ones wait.",
            ("task_queue", "worker_type"),
            registry=registry,
        )
        self.pollers = Gauge(
            "mapek_worker_pollers",
            "Requests for tasks this worker keeps open at Temporal, by kind of poller.",
            ("task_queue", "poller_type"),
            registry=registry,
        )
        self.cached_workflows = Gauge(
            "mapek_worker_cached_workflows",
            "Open workflows this worker remembers and need not replay.",
            ("task_queue",),
            registry=registry,
        )
        self.request_failures = Counter(
            "mapek_temporal_request_failures_total",
            "Calls of Temporal that failed, by operation; the SDK tries most of them again.",
            ("operation",),
            registry=registry,
        )

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
