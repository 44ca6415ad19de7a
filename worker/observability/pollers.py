"""Background tasks that copy into metrics what the store and the Temporal SDK know."""

import asyncio
import logging
from collections.abc import Iterable

from prometheus_client import Histogram
from temporalio.runtime import BufferedMetricUpdate, MetricBuffer

from activities.dependencies import Dependencies, LoopDependencies
from activities.model.errors import MapekError
from activities.model.mode import LoopMode, effective_mode
from worker.observability.metrics import Metrics, SdkCounter

log = logging.getLogger("mapek.worker")

STORE_POLL_SECONDS = 15.0
"""Seconds between two queries of the store."""
SDK_POLL_SECONDS = 1.0
"""Seconds between two reads of the SDK's buffer."""
METRIC_BUFFER_SIZE = 50_000
"""Measurements the SDK keeps until the next read."""


async def poll_store(dependencies: Dependencies, metrics: Metrics) -> None:
    """Keep modes, quarantined knobs and times of incidents up to date, for ever."""
    while True:
        for loop in dependencies.loops.values():
            try:
                await update_loop_metrics(loop, dependencies, metrics)
            except MapekError as error:
                log.warning("metrics of loop %s not updated: %s", loop.settings.name, error)
        await asyncio.sleep(STORE_POLL_SECONDS)


async def update_loop_metrics(loop: LoopDependencies, dependencies: Dependencies, metrics: Metrics) -> None:
    """Set the metrics of one loop from the store.

    Raises:
        StoreUnavailable: the store does not answer; the metrics keep their values.
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
    metrics.incidents_closed.labels(settings.charter).mirror(closed.count)
    metrics.incident_detection.labels(settings.charter).mirror(closed.detection_seconds)
    metrics.incident_repair.labels(settings.charter).mirror(closed.repair_seconds)


async def poll_sdk_metrics(metric_buffer: MetricBuffer, metrics: Metrics) -> None:
    """Keep the SDK's metrics up to date, for ever. Those without a row in `Metrics` are dropped."""
    while True:
        record_sdk_metrics(metric_buffer.retrieve_updates(), metrics)
        await asyncio.sleep(SDK_POLL_SECONDS)


def record_sdk_metrics(updates: Iterable[BufferedMetricUpdate], metrics: Metrics) -> None:
    """Add the SDK's measurements to the metrics of the same name; others are dropped."""
    for update in updates:
        spec = metrics.specs.get(update.metric.name)
        if spec is None:
            continue
        metric = metrics.by_name[spec.name].labels(*(str(update.attributes.get(name, "")) for name in spec.label_names))
        if isinstance(metric, Histogram):
            metric.observe(update.value)
        elif isinstance(metric, SdkCounter):
            metric.inc(update.value)
        else:
            metric.set(update.value)
