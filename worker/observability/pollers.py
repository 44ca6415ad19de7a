"""What is not counted where it happens: what the store knows of loops and incidents, and what the SDK measures."""

import asyncio
import logging
from collections.abc import Iterable

from temporalio.runtime import BufferedMetricUpdate, MetricBuffer

from activities.dependencies import Dependencies, LoopDependencies
from activities.model.errors import MapekError
from activities.model.mode import LoopMode, effective_mode
from worker.observability.metrics import Metrics

log = logging.getLogger("mapek.worker")

STORE_POLL_SECONDS = 15.0
"""Between two looks at the store."""
SDK_POLL_SECONDS = 1.0
"""Between two readings of what the SDK measured."""
METRIC_BUFFER_SIZE = 50_000
"""Measurements the SDK keeps until they are read."""


async def poll_store(dependencies: Dependencies, metrics: Metrics) -> None:
    """Keep modes, quarantined knobs and the incidents' times up to date, for ever."""
    while True:
        for loop in dependencies.loops.values():
            try:
                await update_loop_metrics(loop, dependencies, metrics)
            except MapekError as error:
                log.warning("the store cannot be asked about %s: %s", loop.settings.name, error)
        await asyncio.sleep(STORE_POLL_SECONDS)


async def update_loop_metrics(loop: LoopDependencies, dependencies: Dependencies, metrics: Metrics) -> None:
    """Bring the metrics of one loop up to date.

    Raises:
        StoreUnavailable: the store cannot be asked; the metrics keep what they last showed.
    """
    settings, guards = loop.settings, dependencies.store.guards
    mode = effective_mode(await guards.load_mode(settings.name), settings.initial_mode, dependencies.clock())
    state, closed = (
        await guards.load_state(settings.charter, dependencies.clock()),
        await guards.load_closed_totals(settings.charter),
    )
    for name in LoopMode:
        metrics.mode.labels(settings.name, name.value).set(mode.name is name)
    metrics.quarantined.labels(settings.name).set(sum(knob.quarantined for knob in state.knobs))
    metrics.incidents_closed.labels(settings.charter).set(closed.count)
    metrics.detection_seconds.labels(settings.charter).set(closed.detection_seconds)
    metrics.repair_seconds.labels(settings.charter).set(closed.repair_seconds)


async def poll_sdk_metrics(metric_buffer: MetricBuffer, metrics: Metrics) -> None:
    """Take over, for ever, what of the SDK's measurements tells whether this worker keeps up. The rest is let go."""
    while True:
        record_sdk_metrics(metric_buffer.retrieve_updates(), metrics)
        await asyncio.sleep(SDK_POLL_SECONDS)


def record_sdk_metrics(updates: Iterable[BufferedMetricUpdate], metrics: Metrics) -> None:
    """Take over the measurements among the updates that are shown; the SDK measures times in milliseconds."""
    for update in updates:
        at = {name: str(value) for name, value in update.attributes.items()}
        queue = at.get("task_queue", "")
        match update.metric.name.removeprefix("temporal_"):
            case "workflow_task_execution_failed":
                metrics.workflow_task_failures.labels(queue).inc(update.value)
            case "workflow_task_schedule_to_start_latency":
                metrics.task_wait.labels(queue, "workflow").observe(update.value / 1000)
            case "activity_schedule_to_start_latency":
                metrics.task_wait.labels(queue, "activity").observe(update.value / 1000)
            case "worker_task_slots_available":
                metrics.slots.labels(queue, at.get("worker_type", "")).set(update.value)
            case "num_pollers":
                metrics.pollers.labels(queue, at.get("poller_type", "")).set(update.value)
            case "sticky_cache_size":
                metrics.cached_workflows.labels(queue).set(update.value)
            case "request_failure" | "long_request_failure":
                metrics.request_failures.labels(at.get("operation", "")).inc(update.value)
            case _:
                pass
