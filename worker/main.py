"""The worker process: `mapek worker`. Starts what runs, waits for a signal, ends it in order."""

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
from worker.temporal import bootstrap
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
"""Something that goes on in the background, begun by calling it."""

WORKFLOWS = [MapekCycle, MapekRemediation, Remediation, MapekLoop, MapekUpkeep]

PASSED_THROUGH = ("activities", "workflows", "pydantic_core", "annotated_types")
"""Modules the sandbox does not load anew for every workflow: ours are pure or only referenced by name."""

SHUTDOWN_TIMEOUT = timedelta(seconds=10)
"""For running activities at shutdown; a verification that is cut off goes on at the next worker."""

STICKY_TIMEOUT = timedelta(seconds=1)
"""How long the next workflow task waits for a worker that died; the default of 10 s was the largest delay."""

RESTART_DELAY_SECONDS = 15.0
"""Seconds until what broke in the background is begun anew: often enough for its figures, seldom enough for the log."""

MAX_VERIFICATIONS = 200
"""Verifications at once: they mostly sleep."""


async def run_worker(
    config: Config, assembler: Assembler = assemble, reload_config: Callable[[], Config] | None = None
) -> int:
    """Run the worker until SIGINT or SIGTERM. Returns 0. `assembling` makes everything it works with,
    `reload` reads the configuration again when its file has changed.

    Raises:
        ConfigurationError: something a person has to mend first; the message names the command.
        Unreachable: Temporal cannot be reached.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        measured = MetricBuffer(METRIC_BUFFER_SIZE)
        client = await connect(config.temporal, measured)
        await require_search_attributes(client)
        stack.enter_context(exclusive_sqlite_worker(config))
        assembly = await stack.enter_async_context(assembler(config, client))
        await assembly.check_simulator()
        for worker in build_workers(client, config, assembly):
            assembly.workers.append(await stack.enter_async_context(worker))
        await stack.enter_async_context(serve(assembly.service, config.api.host, config.api.port, build_tls(config)))
        for work in background_jobs(client, config, assembly, measured, reload_config):
            await stack.enter_async_context(run_in_background(work))
        log.info("worker %s serves %s", client.identity, ", ".join(loop_names(config)))
        await warn_if_not_current(client, config.temporal)
        await stop.wait()
        log.info("stopping: running activities have %d s to end", SHUTDOWN_TIMEOUT.total_seconds())
    return 0


async def warn_if_not_current(client: Client, settings: TemporalSettings) -> None:
    """Write into the log that this worker does nothing new, if another version, or none, is current."""
    if not settings.deployment_name:
        return
    current = await find_current_build(client, settings.deployment_name)
    if current != settings.build_id:
        stands = f"build {current} is current" if current else "nothing is current: no cycle runs"
        log.warning("%s in deployment %s; %s", stands, settings.deployment_name, format_promote_command(settings))


def build_tls(config: Config) -> Tls | None:
    """Return the certificates of the service, None to serve plain HTTP."""
    api = config.api
    return Tls(api.tls_cert_file, api.tls_key_file, api.tls_client_ca_file) if api.tls_cert_file else None


def loop_names(config: Config) -> list[str]:
    """Return the names of the loops this worker serves."""
    return [loop.name for loop in config.loops]


def background_jobs(
    client: Client,
    config: Config,
    assembly: Assembly,
    metric_buffer: MetricBuffer,
    reload_config: Callable[[], Config] | None,
) -> list[BackgroundJob]:
    """Return what goes on beside the work that Temporal hands out."""
    works: list[BackgroundJob] = [
        partial(poll_schedules, client, loop_names(config), assembly.metrics),
        partial(poll_store, assembly.dependencies, assembly.metrics),
        partial(poll_sdk_metrics, metric_buffer, assembly.metrics),
        assembly.sender.run,
    ]
    return works if reload_config is None else [*works, partial(assembly.reloader.watch, reload_config)]


@asynccontextmanager
async def run_in_background(job: BackgroundJob) -> AsyncIterator[None]:
    """Keep the work going while the block runs."""
    task = asyncio.create_task(restart_on_failure(job))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def restart_on_failure(job: BackgroundJob, delay_seconds: float = RESTART_DELAY_SECONDS) -> None:
    """Do the work, and begin anew `pause` seconds after it broke: what it shows must not stand still unnoticed."""
    while True:
        try:
            return await job()
        except Exception:
            log.exception("a part of the worker broke, and begins again in %.0f s", delay_seconds)
            await asyncio.sleep(delay_seconds)


async def require_search_attributes(client: Client) -> None:
    """Refuse to start where a schedule's start would fail without a trace."""
    absent = await bootstrap.missing_search_attributes(client)
    if absent:
        lacking = ", ".join(key.name for key in absent)
        raise ConfigurationError(f"search attributes are not registered: {lacking}; run `mapek bootstrap` first")


def build_workers(client: Client, config: Config, assembly: Assembly) -> list[Worker]:
    """Return the two workers: one for everything, one that only verifies, so that it delays nothing else."""
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
    verifying = Worker(
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
    return [common, verifying]


def common_activities(assembly: Assembly) -> list[Callable[..., Any]]:
    """Return the activities of the common queue: all but the verification."""
    parts = assembly.dependencies
    execute, knowledge = ExecuteActivities(parts), KnowledgeActivities(parts)
    return [
        MonitorActivities(parts).monitor,
        AnalyzeActivities(parts).analyze,
        PlanActivities(parts).plan,
        PrepareActivities(parts).prepare,
        execute.apply,
        execute.undo,
        knowledge.record,
        knowledge.release,
        UpkeepActivities(parts, assembly.locks).upkeep,
    ]
