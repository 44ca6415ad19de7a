"""What is not counted where it happens: what the store knows of loops and incidents, and what the SDK measures."""

import asyncio
import logging
from collections.abc import Iterable

from temporalio.runtime import BufferedMetricUpdate, MetricBuffer

from activities.model.errors import MapekError
from activities.model.mode import ModeName, in_force
from activities.parts import LoopParts, Parts
from worker.http.metrics import Metrics

log = logging.getLogger("mapek.worker")

STORE_SECONDS = 15.0
"""Between two looks at the store."""
TASK_SECONDS = 1.0
"""Between two readings of what the SDK measured."""
MEASUREMENTS = 50_000
"""Measurements the SDK keeps until they are read."""

_TASK_FAILED = "temporal_workflow_task_execution_failed"


async def watch_store(parts: Parts, metrics: Metrics) -> None:
    """Keep modes, quarantined knobs and the incidents' times up to date, for ever."""
    while True:
        for loop in parts.loops.values():
            try:
                await look(loop, parts, metrics)
            except MapekError as error:
                log.warning("the store cannot be asked about %s: %s", loop.settings.name, error)
        await asyncio.sleep(STORE_SECONDS)


async def look(loop: LoopParts, parts: Parts, metrics: Metrics) -> None:
    """Bring the metrics of one loop up to date.

    Raises:
        StoreUnavailable: the store cannot be asked; the metrics keep what they last showed.
    """
    settings, guards = loop.settings, parts.store.guards
    mode = in_force(await guards.mode(settings.name), settings.first_mode, parts.clock())
    state, closed = await guards.state(settings.charter, parts.clock()), await guards.closed(settings.charter)
    for name in ModeName:
        metrics.mode.labels(settings.name, name.value).set(mode.name is name)
    metrics.quarantined.labels(settings.name).set(sum(knob.quarantined for knob in state.knobs))
    metrics.incidents_closed.labels(settings.charter).set(closed.number)
    metrics.detection_seconds.labels(settings.charter).set(closed.detection)
    metrics.repair_seconds.labels(settings.charter).set(closed.repair)


async def watch_tasks(measured: MetricBuffer, metrics: Metrics) -> None:
    """Count the workflow tasks that fail, for ever. Everything else the SDK measures is let go."""
    while True:
        count_failures(measured.retrieve_updates(), metrics)
        await asyncio.sleep(TASK_SECONDS)


def count_failures(updates: Iterable[BufferedMetricUpdate], metrics: Metrics) -> None:
    """Add the failed workflow tasks among the measurements."""
    for update in updates:
        if update.metric.name == _TASK_FAILED:
            queue = str(update.attributes.get("task_queue", ""))
            metrics.workflow_task_failures.labels(queue).inc(update.value)
