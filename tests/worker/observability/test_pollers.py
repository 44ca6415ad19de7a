"""Metrics of the store and of the SDK."""

import asyncio
import platform
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BufferedMetric,
    BufferedMetricKind,
    MetricBuffer,
    Runtime,
    TelemetryConfig,
)
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from activities.clients.charter import CharterClient
from activities.clients.http import HttpClient
from activities.clients.prometheus import PrometheusClient
from activities.clients.store.store import Store, open_store
from activities.dependencies import Dependencies, LoopDependencies
from activities.model.mode import LoopMode, Mode
from activities.settings import LoopSettings
from tests.support.model_builders import make_problem, quarantine_knob
from tests.support.waiting import wait_until
from worker.main import restart_on_failure
from worker.observability.metrics import Metrics
from worker.observability.pollers import METRIC_BUFFER_SIZE, record_sdk_metrics, update_loop_metrics


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    memory_store = await open_store("memory")
    yield memory_store
    await memory_store.close()


async def read_metric(store: Store, name: str, **labels: str) -> float | None:
    """Return a metric after one update from the store."""
    http, metrics = HttpClient(), Metrics(CollectorRegistry())
    loop = LoopDependencies(LoopSettings(), PrometheusClient(http, "http://p"), CharterClient(http, "http://c", str))
    await update_loop_metrics(loop, Dependencies({"charter": loop}, store, lambda: 1000.0, "w"), metrics)
    await http.close()
    return metrics.registry.get_sample_value(name, labels)


async def test_modes(store: Store) -> None:
    """The current mode is 1, the others 0; the initial mode counts until an operator sets one."""
    assert await read_metric(store, "mapek_mode", loop="charter", mode="observe") == 1
    await store.guards.set_mode(Mode(loop="charter", name=LoopMode.STOPPED, actor="me", reason="x", at=900.0))
    assert await read_metric(store, "mapek_mode", loop="charter", mode="observe") == 0
    assert await read_metric(store, "mapek_mode", loop="charter", mode="stopped") == 1


async def test_quarantined_knobs(store: Store) -> None:
    """Quarantined knobs are counted until their release."""
    await quarantine_knob(store, "committee", "rollback failed", 1.0)
    assert await read_metric(store, "mapek_quarantined_knobs", loop="charter") == 1
    await store.guards.release("charter", "committee", "me", "repaired", 2.0)
    assert await read_metric(store, "mapek_quarantined_knobs", loop="charter") == 0


async def test_time_to_detect_and_to_repair(store: Store) -> None:
    """Closed incidents add their seconds from onset to detection and to the end; an open incident adds none."""
    await store.guards.open_incident(make_problem("committee", 100.0, 130.0))
    await store.guards.open_incident(make_problem("retry.gateway", 200.0, 210.0))
    await store.guards.close_quiet("charter", 160.0)
    assert await read_metric(store, "mapek_incidents_closed_total", charter="charter") == 1
    assert await read_metric(store, "mapek_incident_detection_seconds_total", charter="charter") == 30
    assert await read_metric(store, "mapek_incident_repair_seconds_total", charter="charter") == 60


@workflow.defn
class BrokenWorkflow:
    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("an error in workflow code")


@dataclass
class FakeSdkMetric:
    name: str
    description: str | None = None
    unit: str | None = None
    kind: BufferedMetricKind = BUFFERED_METRIC_KIND_COUNTER


@dataclass
class FakeMetricUpdate:
    metric: BufferedMetric
    value: int = 1
    attributes: dict[str, Any] = field(default_factory=dict)


def test_sdk_metrics_keep_their_names_and_labels() -> None:
    """Counters add up, gauges show the last value, waits are in milliseconds; other metrics are dropped."""
    metrics = Metrics(CollectorRegistry())
    failures, wait = "temporal_workflow_task_execution_failed", "temporal_activity_schedule_to_start_latency"
    queue = {"namespace": "default", "task_queue": "mapek"}
    slots = {**queue, "worker_type": "ActivityWorker"}
    failure = {"namespace": "default", "operation": "PollActivityTaskQueue"}
    record_sdk_metrics(
        [
            FakeMetricUpdate(FakeSdkMetric("temporal_request")),
            FakeMetricUpdate(FakeSdkMetric(failures), 1, {**queue, "workflow_type": "MapekCycle"}),
            FakeMetricUpdate(FakeSdkMetric(failures), 1, {**queue, "workflow_type": "MapekCycle"}),
            FakeMetricUpdate(FakeSdkMetric(wait), 1500, {**queue, "activity_type": "monitor"}),
            FakeMetricUpdate(FakeSdkMetric("temporal_worker_task_slots_available"), 9, slots),
            FakeMetricUpdate(FakeSdkMetric("temporal_worker_task_slots_available"), 7, slots),
            FakeMetricUpdate(FakeSdkMetric("temporal_long_request_failure"), 3, failure),
        ],
        metrics,
    )
    read_sample = metrics.registry.get_sample_value
    assert read_sample(failures, {**queue, "workflow_type": "MapekCycle"}) == 2
    assert read_sample(f"{wait}_sum", {**queue, "activity_type": "monitor"}) == 1500
    assert read_sample(f"{wait}_bucket", {**queue, "activity_type": "monitor", "le": "2500.0"}) == 1
    assert read_sample("temporal_worker_task_slots_available", slots) == 7
    assert read_sample("temporal_long_request_failure", failure) == 3


def test_failures_and_alerts_start_at_zero() -> None:
    """A failed rollback, a failed task and an alert have a series at 0, so that the first event is an increase."""
    metrics = Metrics(CollectorRegistry())
    metrics.initialize_series(["charter"], ["mapek"])
    read_sample = metrics.registry.get_sample_value
    assert read_sample("mapek_rollbacks_total", {"loop": "charter", "result": "failed"}) == 0
    failures = {"namespace": "default", "task_queue": "mapek", "workflow_type": ""}
    assert read_sample("temporal_workflow_task_execution_failed", failures) == 0
    assert read_sample("mapek_alerts_received_total", {"status": "firing"}) == 0


def test_build_info_names_the_versions() -> None:
    """One series with value 1 carries the versions of the worker, of Python and of the SDK."""
    versions = {
        "version": version("mapek"),
        "python": platform.python_version(),
        "temporalio": version("temporalio"),
    }
    assert Metrics(CollectorRegistry()).registry.get_sample_value("mapek_build_info", versions) == 1


def test_a_mirrored_counter_shows_the_given_total() -> None:
    """The total may also shrink after a schedule was created again; Prometheus reads that as a reset."""
    metrics = Metrics(CollectorRegistry())
    for total in (3.0, 3.0, 5.0, 1.0):
        metrics.schedule_skipped.labels("charter").mirror(total)
        assert metrics.registry.get_sample_value("mapek_schedule_skipped_total", {"loop": "charter"}) == total


async def test_a_failing_workflow_task_is_counted(temporal: WorkflowEnvironment) -> None:
    """The SDK uses the name and the labels of the table."""
    buffer, metrics = MetricBuffer(METRIC_BUFFER_SIZE), Metrics(CollectorRegistry())
    client = await Client.connect(
        temporal.client.service_client.config.target_host,
        data_converter=pydantic_data_converter,
        runtime=Runtime(telemetry=TelemetryConfig(metrics=buffer)),
    )

    async def read_failures() -> float | None:
        record_sdk_metrics(buffer.retrieve_updates(), metrics)
        failures = {"namespace": "default", "task_queue": "broken", "workflow_type": "BrokenWorkflow"}
        return metrics.registry.get_sample_value("temporal_workflow_task_execution_failed", failures)

    async with Worker(
        client, task_queue="broken", workflows=[BrokenWorkflow], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        handle = await client.start_workflow(
            BrokenWorkflow.run, id="broken", task_queue="broken", execution_timeout=timedelta(seconds=30)
        )
        assert await wait_until("a failed workflow task is counted", read_failures, 15)
        await handle.terminate()
        await asyncio.sleep(0)


async def test_a_failed_background_task_is_restarted(caplog: pytest.LogCaptureFixture) -> None:
    """Each failure is logged and the task runs again: no caller awaits it, so it would stop without a trace."""
    starts: list[str] = []

    async def work() -> None:
        starts.append("start")
        if len(starts) < 3:
            raise ValueError("an unknown row")

    await restart_on_failure(work, delay_seconds=0.0)
    assert (len(starts), caplog.text.count("failed; restarting in")) == (3, 2)
