"""The worker process: `mapek worker` starts the workers and background jobs, and stops them at a signal."""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.client import Client
from temporalio.runtime import MetricBuffer
from temporalio.worker import Worker

from activities.analyze.activity import AnalyzeActivities
from activities.execute.activity import ExecuteActivities
from activities.execute.prepare.activity import PrepareActivities
from activities.execute.verify.activity import VerifyActivities
from activities.knowledge.activity import KnowledgeActivities
from activities.model import identifiers
from activities.model.errors import ConfigurationError
from activities.monitor.activity import MonitorActivities
from activities.plan.activity import PlanActivities
from activities.upkeep.activity import UpkeepActivities
from worker.assemble import Assembly, assemble
from worker.config.load import Config
from worker.config.schema import TemporalSettings
from worker.http.service import Tls, serve
from worker.observability.activity_metrics import poll_schedules
from worker.observability.pollers import METRIC_BUFFER_SIZE, poll_sdk_metrics, poll_store
from worker.sqlite_lock import exclusive_sqlite_worker
from worker.temporal.attribute_registration import find_missing_attributes
from worker.temporal.client import connect
from worker.temporal.versioning import (
    build_deployment_config,
    build_workflow_runner,
    find_current_build,
    format_promote_command,
)
from workflows.cycle import MapekCycle
from workflows.loop import MapekLoop
from workflows.remediation import MapekRemediation, Remediation
from workflows.upkeep import MapekUpkeep

log = logging.getLogger("mapek.worker")

Assembler = Callable[[Config, Client], AbstractAsyncContextManager[Assembly]]

BackgroundJob = Callable[[], Coroutine[Any, Any, None]]
"""A function that starts a job in the background."""

WORKFLOWS = [MapekCycle, MapekRemediation, Remediation, MapekLoop, MapekUpkeep]

PASSED_THROUGH = ("activities", "workflows", "pydantic_core", "annotated_types")
"""Modules that the sandbox does not reload per workflow: pure ones, and activities referenced by name only."""

SHUTDOWN_TIMEOUT = timedelta(seconds=10)
"""Time for running activities at shutdown. A verification that is cut off continues on the next worker."""

STICKY_TIMEOUT = timedelta(seconds=1)
"""Time that a workflow task waits for a dead worker. The default of 10 s was the largest delay after a crash."""

RESTART_DELAY_SECONDS = 15.0
"""Seconds until a failed background job restarts: metrics stay recent, and the log stays short."""

MAX_VERIFICATIONS = 200
"""Concurrent verifications, which mostly sleep."""


async def run_worker(
    config: Config, assembler: Assembler = assemble, reload_config: Callable[[], Config] | None = None
) -> int:
    """Run the worker until SIGINT or SIGTERM and return 0.

    `assembler` constructs the parts of the worker. `reload_config` reads the configuration again after a change.

    Raises:
        ConfigurationError: a precondition is missing; the message names the command that creates it.
        Unreachable: Temporal cannot be reached.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        metric_buffer = MetricBuffer(METRIC_BUFFER_SIZE)
        client = await connect(config.temporal, metric_buffer)
        await require_search_attributes(client)
        stack.enter_context(exclusive_sqlite_worker(config))
        assembly = await stack.enter_async_context(assembler(config, client))
        await assembly.check_simulator()
        for worker in build_workers(client, config, assembly):
            assembly.workers.append(await stack.enter_async_context(worker))
        await stack.enter_async_context(serve(assembly.service, config.api.host, config.api.port, build_tls(config)))
        for job in background_jobs(client, config, assembly, metric_buffer, reload_config):
            await stack.enter_async_context(run_in_background(job))
        log.info("worker %s serves %s", client.identity, ", ".join(loop_names(config)))
        await warn_if_not_current(client, config.temporal)
        await stop.wait()
        log.info("stopping: running activities have %d s to end", SHUTDOWN_TIMEOUT.total_seconds())
    return 0


async def warn_if_not_current(client: Client, settings: TemporalSettings) -> None:
    """Log a warning if this version is not the current one of its deployment: it then gets no new workflows."""
    if not settings.deployment_name:
        return
    current = await find_current_build(client, settings.deployment_name)
    if current != settings.build_id:
        state = f"build {current} is current" if current else "no build is current, so no cycle runs"
        command = format_promote_command(settings)
        log.warning("%s in deployment %s; to promote this build: %s", state, settings.deployment_name, command)


def build_tls(config: Config) -> Tls | None:
    """Return the certificates of the service, None for plain HTTP."""
    api = config.api
    return Tls(api.tls_cert_file, api.tls_key_file, api.tls_client_ca_file) if api.tls_cert_file else None


def loop_names(config: Config) -> list[str]:
    """Return the names of the configured loops."""
    return [loop.name for loop in config.loops]


def background_jobs(
    client: Client,
    config: Config,
    assembly: Assembly,
    metric_buffer: MetricBuffer,
    reload_config: Callable[[], Config] | None,
) -> list[BackgroundJob]:
    """Return the jobs that run beside activities and workflows."""
    jobs: list[BackgroundJob] = [
        partial(poll_schedules, client, loop_names(config), assembly.metrics),
        partial(poll_store, assembly.dependencies, assembly.metrics),
        partial(poll_sdk_metrics, metric_buffer, assembly.metrics),
        assembly.sender.run,
    ]
    return jobs if reload_config is None else [*jobs, partial(assembly.reloader.watch, reload_config)]


@asynccontextmanager
async def run_in_background(job: BackgroundJob) -> AsyncIterator[None]:
    """Run the job while the block runs."""
    task = asyncio.create_task(restart_on_failure(job))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def restart_on_failure(job: BackgroundJob, delay_seconds: float = RESTART_DELAY_SECONDS) -> None:
    """Run the job, and restart it `delay_seconds` after a failure, so that its metrics do not stop unnoticed."""
    while True:
        try:
            return await job()
        except Exception:
            log.exception("background job %s failed; restarting in %.0f s", _job_name(job), delay_seconds)
            await asyncio.sleep(delay_seconds)


def _job_name(job: BackgroundJob) -> str:
    function = job.func if isinstance(job, partial) else job
    return str(getattr(function, "__qualname__", type(function).__name__))


async def require_search_attributes(client: Client) -> None:
    """Raise ConfigurationError for a missing search attribute, since cycles of the schedule would fail unnoticed."""
    missing = await find_missing_attributes(client)
    if missing:
        keys = ", ".join(key.name for key in missing)
        raise ConfigurationError(f"search attributes are not registered: {keys}; run `mapek bootstrap` first")


def build_workers(client: Client, config: Config, assembly: Assembly) -> list[Worker]:
    """Return two workers: one for verifications only, so that they delay no other activity, and one for the rest."""
    deployment = build_deployment_config(config.temporal)
    common = Worker(
        client,
        task_queue=identifiers.TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=common_activities(assembly),
        workflow_runner=build_workflow_runner(config.temporal, PASSED_THROUGH),
        interceptors=[assembly.interceptor],
        deployment_config=deployment,
        max_cached_workflows=200,
        max_concurrent_activities=config.performance.max_concurrent_analyses,
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        graceful_shutdown_timeout=SHUTDOWN_TIMEOUT,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
    )
    verify = Worker(
        client,
        task_queue=identifiers.VERIFY_TASK_QUEUE,
        activities=[VerifyActivities(assembly.dependencies).verify],
        interceptors=[assembly.interceptor],
        deployment_config=deployment,
        max_concurrent_activities=MAX_VERIFICATIONS,
        graceful_shutdown_timeout=timedelta(seconds=1),
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
    )
    return [common, verify]


def common_activities(assembly: Assembly) -> list[Callable[..., Any]]:
    """Return the activities of the common task queue: all but `verify`."""
    dependencies = assembly.dependencies
    execute, knowledge = ExecuteActivities(dependencies), KnowledgeActivities(dependencies)
    return [
        MonitorActivities(dependencies).monitor,
        AnalyzeActivities(dependencies).analyze,
        PlanActivities(dependencies).plan,
        PrepareActivities(dependencies).prepare,
        execute.apply,
        execute.undo,
        knowledge.record,
        knowledge.release,
        UpkeepActivities(dependencies, assembly.locks).upkeep,
    ]
